// Replays the corpus of the tokenizer's fuzzer.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "fuzz/run_target.h"
#include "fuzz/text_targets.h"

namespace scalekv::text {
namespace {

TEST(Corpus, EveryModelOpensOrFailsByName) {
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SCALEKV_SOURCE_DIR "/tests/fuzz/corpus/tokenizer")) {
    SCOPED_TRACE(entry.path().string());
    EXPECT_NO_THROW(run_target(read_as_tokenizer, read_file(entry.path())));
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

}  // namespace
}  // namespace scalekv::text
