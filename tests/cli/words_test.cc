#include "cli/words.h"

#include <gtest/gtest.h>

namespace scalekv::cli {
namespace {

TEST(Words, SettingsBecomeOptions) {
  EXPECT_EQ(in_options("leave out `selector` x, or ask for `policy` scalekv"),
            "leave out --selector x, or ask for --policy scalekv");
  EXPECT_EQ(in_options("no `keep_text_encoder`, `precision` int8, `budgets`, `out`"),
            "no --keep-text-encoder, --kv int8, --budget-file, -o");
  EXPECT_EQ(in_options("`inspect` with `check` names it"), "`scalekv inspect --check` names it");
  EXPECT_EQ(in_options("there is no `thing` here"), "there is no `thing` here");
}

TEST(Words, ACommandNamesTheModelOfTheOneThatRan) {
  const std::string sentence = "make one with `calibrate` (`size` 1M) and name it with `calibration`";
  EXPECT_EQ(in_options(sentence),
            "make one with `scalekv calibrate --size 1M --prompts PROMPTS.txt -o calibration-1M.json` and name it with "
            "--calibration");
  CLI::App command;
  std::string model, architecture;
  command.add_option("--model", model);
  command.add_option("--arch", architecture);
  command.parse("--model \"it's mine.safetensors\"");
  EXPECT_NE(in_options(sentence, &command).find("calibrate --model 'it'\\''s mine.safetensors' --size 1M"),
            std::string::npos);
  command.parse("--arch infinity-2b");
  EXPECT_NE(in_options(sentence, &command).find("calibrate --arch infinity-2b --random --size 1M"), std::string::npos);
}

}  // namespace
}  // namespace scalekv::cli
