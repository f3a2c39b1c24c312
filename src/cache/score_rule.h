// What a selector does, said in data, so that every back end can do it.
#pragma once

#include <cstdint>

namespace scalekv::cache {

// How a head's tokens are scored and chosen. Its first tokens stay and are not looked at: to all that follows they are
// not there. Every other token gets a score; scores are pooled; what Selector::always() names stays, and the largest of
// the others fill the capacity, equal ones by lowest index.
struct ScoreRule {
  enum class Score : std::uint8_t {
    logits,          // sum over the observed queries of q . k / sqrt(head size)
    softmax,         // sum over the observed queries of the softmax weight of q . k (their scale is 1, as in the block)
    value_length,    // |v|
    value_distance,  // |v - m|^2, where m is the mean value of all tokens that are or were there
  };
  // What pooling sees of the tokens that always() names.
  enum class Always : std::uint8_t {
    as_others,  // their scores
    masked,     // minus infinity
    cut_off,    // nothing: they are the end of the cache, and the others end before them
  };
  Score score = Score::softmax;
  bool weighted = false;  // times Selector::weights()
  int pool = 1;           // width of the pooling over neighbours in cache order; 1: none
  bool average = false;   // average pooling instead of maximum
  Always pooled_always = Always::as_others;
  // What is dropped becomes one token (cache/fold.h). It always stays; where there is none yet, it takes the place of
  // the kept token of the least score.
  bool folds = false;
  std::int64_t first = 0;  // tokens that stay and are not looked at
};

}  // namespace scalekv::cache
