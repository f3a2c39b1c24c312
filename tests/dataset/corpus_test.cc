// Replays the corpus of the fuzzer of prompt lists.
#include "fuzz/dataset_targets.h"
#include "fuzz/replay_corpus.h"

namespace scalekv::dataset {
namespace {

TEST(Corpus, EveryListIsReadOrFailsByName) { replay_corpus("prompts", read_as_prompts); }

}  // namespace
}  // namespace scalekv::dataset
