// Replays the corpora of the fuzzers: inputs that reached a part of the readers which the others did not.
#include "fuzz/formats_targets.h"
#include "fuzz/replay_corpus.h"

namespace scalekv::formats {
namespace {

struct CorpusCase {
  const char* folder;
  FuzzTarget target;
};

class Corpus : public ::testing::TestWithParam<CorpusCase> {};

TEST_P(Corpus, EveryInputOpensOrFailsByName) { replay_corpus(GetParam().folder, GetParam().target); }

INSTANTIATE_TEST_SUITE_P(Fuzzers, Corpus,
                         ::testing::Values(CorpusCase{"safetensors", read_as_safetensors},
                                           CorpusCase{"pytorch", read_as_pytorch}, CorpusCase{"pickle", read_as_pickle},
                                           CorpusCase{"index", read_as_index}, CorpusCase{"npz", read_as_npz}),
                         [](const auto& info) { return std::string(info.param.folder); });

}  // namespace
}  // namespace scalekv::formats
