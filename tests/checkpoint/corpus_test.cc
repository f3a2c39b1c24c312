// Replays the corpora of the fuzzers: inputs that reached a part of the readers which the others did not.
#include <gtest/gtest.h>

#include "checkpoint/files.h"
#include "fuzz/checkpoint_targets.h"
#include "fuzz/run_target.h"

namespace scalekv::checkpoint {
namespace {

struct CorpusCase {
  const char* folder;
  FuzzTarget target;
};

class Corpus : public ::testing::TestWithParam<CorpusCase> {};

TEST_P(Corpus, EveryInputOpensOrFailsByName) {
  const auto folder = std::filesystem::path(SCALEKV_SOURCE_DIR) / "tests/fuzz/corpus" / GetParam().folder;
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    const std::string bytes = read_file(entry.path());
    EXPECT_NO_THROW(run_target(GetParam().target, bytes));
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

INSTANTIATE_TEST_SUITE_P(Fuzzers, Corpus,
                         ::testing::Values(CorpusCase{"safetensors", read_as_safetensors},
                                           CorpusCase{"pytorch", read_as_pytorch}, CorpusCase{"pickle", read_as_pickle},
                                           CorpusCase{"index", read_as_index}, CorpusCase{"npz", read_as_npz}),
                         [](const auto& info) { return std::string(info.param.folder); });

}  // namespace
}  // namespace scalekv::checkpoint
