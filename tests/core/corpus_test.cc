// Replays the corpus of the fuzzer of picture files.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "fuzz/core_targets.h"
#include "fuzz/run_target.h"

namespace scalekv::core {
namespace {

TEST(Corpus, EveryPictureIsReadOrRefusedByName) {
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SCALEKV_SOURCE_DIR "/tests/fuzz/corpus/picture")) {
    SCOPED_TRACE(entry.path().string());
    EXPECT_NO_THROW(run_target(read_as_picture, read_file(entry.path())));
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

}  // namespace
}  // namespace scalekv::core
