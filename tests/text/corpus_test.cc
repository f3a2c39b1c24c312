// Replays the corpus of the tokenizer's fuzzer.
#include "fuzz/replay_corpus.h"
#include "fuzz/text_targets.h"

namespace scalekv::text {
namespace {

TEST(Corpus, EveryModelOpensOrFailsByName) { replay_corpus("tokenizer", read_as_tokenizer); }

}  // namespace
}  // namespace scalekv::text
