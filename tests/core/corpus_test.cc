// Replays the corpus of the fuzzer of picture files.
#include "fuzz/core_targets.h"
#include "fuzz/replay_corpus.h"

namespace scalekv::core {
namespace {

TEST(Corpus, EveryPictureIsReadOrRefusedByName) { replay_corpus("picture", read_as_picture); }

}  // namespace
}  // namespace scalekv::core
