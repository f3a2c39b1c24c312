// Replays the corpus of the fuzzer of prompt lists.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "fuzz/dataset_targets.h"
#include "fuzz/run_target.h"

namespace scalekv::dataset {
namespace {

TEST(Corpus, EveryListIsReadOrFailsByName) {
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SCALEKV_SOURCE_DIR "/tests/fuzz/corpus/prompts")) {
    SCOPED_TRACE(entry.path().string());
    EXPECT_NO_THROW(run_target(read_as_prompts, read_file(entry.path())));
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

}  // namespace
}  // namespace scalekv::dataset
