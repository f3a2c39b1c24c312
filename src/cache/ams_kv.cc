// AMS-KV (arXiv 2511.16047): the coarsest scales, which the paper calls condensed, and the most recent ones, which it
// calls local; what lies between them goes. Carried over at equal bytes: the first two scales stay, then whole scales
// from the most recent one back, as many as the budget holds. The next one back, which is more than what is left of the
// budget, keeps as many of its tokens, spread evenly over the map; where no whole scale fits that is the most recent
// one. The paper gives layers whose keys and values are little alike between scales more local scales; a calibration
// does not measure that likeness, so here all layers have the same.
#include <numeric>

#include "base/error.h"
#include "cache/policy.h"

namespace scalekv::cache {
namespace {

constexpr int kCondensedScales = 2;

// Larger is kept first: however many positions are kept, they lie evenly over the map in both directions. Steps of 1/p
// and 1/p^2 modulo 1 with p = 1.3247..., p^3 = p + 1 (what the golden ratio is in one dimension), in 24 bits, which a
// float holds.
float spread_rank(std::int64_t row, std::int64_t column) {
  constexpr std::uint32_t kRowStep = 3242174889U, kColumnStep = 2447445414U;  // times 2^-32
  const std::uint32_t sum =
      static_cast<std::uint32_t>(row) * kRowStep + static_cast<std::uint32_t>(column) * kColumnStep;
  return static_cast<float>(sum >> 8U);
}

class LocalScaleSelector final : public Selector {
 public:
  explicit LocalScaleSelector(CacheGeometry geometry) : geometry_(std::move(geometry)) {}

  bool by_position() const override { return true; }

  void select(const SelectionFacts& facts, const SelectionInput& input, std::span<std::int32_t> kept) const override {
    // Condensed tokens are never dropped, so they are the first of the cache. A tiny budget leaves half to them.
    const std::int64_t condensed = std::min(geometry_.tokens_before(kCondensedScales), (facts.capacity + 1) / 2);
    std::vector<std::int64_t> always(static_cast<std::size_t>(condensed));
    std::iota(always.begin(), always.end(), 0);
    std::vector<float> scores(static_cast<std::size_t>(facts.tokens()), -1.0F);
    std::int64_t left = facts.capacity - condensed;
    std::int64_t end = facts.tokens();  // of the scale that is looked at
    for (int scale = facts.scale; left > 0; --scale) {
      SCALEKV_ASSERT(scale >= 0);
      std::int64_t first = end;
      while (first > condensed &&
             pyramid_position(geometry_, facts, input, first - 1) >= geometry_.tokens_before(scale))
        --first;
      if (end - first <= left) {
        for (std::int64_t j = first; j < end; ++j) always.push_back(j);
      } else {
        const std::int64_t width = geometry_.scales[static_cast<std::size_t>(scale)].width;
        for (std::int64_t j = first; j < end; ++j) {
          const std::int64_t at = pyramid_position(geometry_, facts, input, j) - geometry_.tokens_before(scale);
          scores[static_cast<std::size_t>(j)] = spread_rank(at / width, at % width);
        }
      }
      left -= end - first;
      end = first;
    }
    keep_always_and_best(std::move(scores), always, kept);
  }

 private:
  CacheGeometry geometry_;
};

}  // namespace

Policy make_ams_kv(const PolicyRequest& request, const CacheGeometry& geometry) {
  return {request.name, make_uniform_budget(geometry, mean_tokens(request.share, geometry)),
          std::make_shared<LocalScaleSelector>(geometry)};
}

}  // namespace scalekv::cache
