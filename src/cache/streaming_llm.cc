// StreamingLLM (arXiv 2309.17453): attention sinks and recent tokens. The published method keeps the first 4 tokens of
// a text; in a pyramid the tokens that everybody looks at are the first scales, 1 + 4 tokens, so these are the sinks.
#include <algorithm>
#include <numeric>

#include "cache/policy.h"

namespace scalekv::cache {
namespace {

constexpr std::int64_t kSinks = 5;

class SinkSelector final : public Selector {
 public:
  bool by_position() const override { return true; }

  // Sinks are never dropped, so they are the first of the cache at every scale. A tiny budget leaves half to them.
  void select(const SelectionFacts& facts, const SelectionInput&, std::span<std::int32_t> kept) const override {
    const std::int64_t sinks = std::min(kSinks, (facts.capacity + 1) / 2);
    std::iota(kept.begin(), kept.begin() + sinks, 0);
    std::iota(kept.begin() + sinks, kept.end(), static_cast<std::int32_t>(facts.tokens() - facts.capacity + sinks));
  }
};

}  // namespace

Policy make_streaming_llm(const PolicyRequest& request, const CacheGeometry& geometry) {
  return {request.name, make_uniform_budget(geometry, mean_tokens(request.share, geometry)),
          std::make_shared<SinkSelector>()};
}

}  // namespace scalekv::cache
