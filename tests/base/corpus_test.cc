// Replays the corpus of the fuzzer of picture files.
#include "fuzz/base_targets.h"
#include "fuzz/replay_corpus.h"

namespace scalekv::base {
namespace {

TEST(Corpus, EveryPictureIsReadOrRefusedByName) { replay_corpus("picture", read_as_picture); }

}  // namespace
}  // namespace scalekv::base
