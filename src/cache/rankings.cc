#include "cache/rankings.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/ceil_divide.h"
#include "base/error.h"

namespace scalekv::cache {
namespace {

constexpr int kMostIndex = 4096;  // layers, or heads of one: far above any model

struct Head {
  int head = 0;
  int layer = 0;
};
using Order = std::vector<Head>;

// "file, list 3 of 9": counted from 1, as people count.
std::string list_name(const std::string& where, std::size_t list) {
  return fmt::format("{}, list {} of {}", where, list + 1, kRankedScales);
}

Head read_entry(const nlohmann::json& entry, const std::string& at) {
  const auto small = [](const nlohmann::json& value) {
    return value.is_number_integer() && value >= 0 && value < kMostIndex;
  };
  if (!entry.is_array() || entry.size() != 2 || !small(entry[0]) || !small(entry[1])) {
    fail("{}: {} is not a pair [head, layer], counted from 0; take the file as it was published", at,
         entry.dump().substr(0, 40));
  }
  return {entry[0].get<int>(), entry[1].get<int>()};
}

std::vector<Order> read_orders(const nlohmann::json& lists, const std::string& where) {
  if (!lists.is_array() || lists.size() != kRankedScales) {
    fail(
        "{}: {} in place of HeatKV's {} lists of heads (of source scales {} to {} of 13, counted from 1); take the "
        "file "
        "as it was published",
        where, lists.is_array() ? fmt::format("{} lists", lists.size()) : "no list", kRankedScales,
        kProtectedScales + 1, kProtectedScales + kRankedScales);
  }
  std::vector<Order> orders;
  for (const nlohmann::json& list : lists) {
    const std::string at = list_name(where, orders.size());
    if (!list.is_array()) fail("{}: not a list of pairs [head, layer]; take the file as it was published", at);
    Order order;
    for (const nlohmann::json& entry : list) {
      order.push_back(read_entry(entry, fmt::format("{}, entry {}", at, order.size() + 1)));
    }
    orders.push_back(std::move(order));
  }
  return orders;
}

// What keeps a list from holding every head of a model once; empty where nothing does.
std::string fault(const Order& order, int layers, int heads, const std::string& at) {
  std::vector<std::size_t> entry_of(static_cast<std::size_t>(layers) * static_cast<std::size_t>(heads), 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto [head, layer] = order[i];
    if (head >= heads || layer >= layers) {
      return fmt::format("{}, entry {}: head {} of layer {}, but the model has {} layers of {} heads", at, i + 1, head,
                         layer, layers, heads);
    }
    std::size_t& entry = entry_of[static_cast<std::size_t>(layer * heads + head)];
    if (entry != 0) {
      return fmt::format("{}, entry {}: head {} of layer {}, which entry {} names already", at, i + 1, head, layer,
                         entry);
    }
    entry = i + 1;
  }
  const auto missing = std::find(entry_of.begin(), entry_of.end(), std::size_t{0});
  if (missing == entry_of.end()) return {};
  const auto number = static_cast<int>(missing - entry_of.begin());
  return fmt::format("{}: {} entries in place of {}, head {} of layer {} is missing", at, order.size(), entry_of.size(),
                     number % heads, number / heads);
}

// Refuses a sound file of another model.
void check_model(const std::vector<Order>& orders, const std::string& where, int layers, int heads) {
  Head most;
  for (const Order& order : orders) {
    for (const Head& entry : order) most = {std::max(most.head, entry.head), std::max(most.layer, entry.layer)};
  }
  const int its_layers = most.layer + 1, its_heads = most.head + 1;
  if (its_layers == layers && its_heads == heads) return;
  for (const Order& order : orders) {
    if (!fault(order, its_layers, its_heads, where).empty()) return;
  }
  fail("{} is for {} layers of {} heads, the model has {} of {}; take the rankings of this model", where, its_layers,
       its_heads, layers, heads);
}

// Budgets are counted in parts of a token, whole numbers: the same plan on every machine.
constexpr std::int64_t kParts = 1'000'000;

struct RankedBlock {
  int layer = 0;
  int source = 0;
  int rank = 0;
  int head = 0;  // layer * heads + head

  // In the order in which they go sooner than they must.
  bool operator<(const RankedBlock& other) const {
    return std::tie(other.layer, other.source, rank) < std::tie(layer, source, other.rank);
  }
};

class RankedPlan {
 public:
  RankedPlan(const Rankings& rankings, const CacheGeometry& geometry, double share)
      : rankings_(rankings),
        geometry_(geometry),
        heads_(geometry.layers * geometry.heads),
        allowed_(
            std::max<std::int64_t>(kParts, std::llround(share * static_cast<double>(geometry.history() * kParts)))),
        protected_(protected_scales(geometry, allowed_ / kParts)),
        gone_(static_cast<std::size_t>(geometry.scale_count()), std::vector<bool>(static_cast<std::size_t>(heads_))) {
    SCALEKV_ASSERT(geometry.scale_count() - 1 <= kProtectedScales + kRankedScales);
  }

  TokenPlan make() {
    TokenPlan plan;
    for (int scale = 0; scale < geometry_.scale_count(); ++scale) {
      // gone_: what `scale` does not find.
      const std::vector<RankedBlock> next =
          scale + 1 < geometry_.scale_count() ? blocks_of(scale + 1) : std::vector<RankedBlock>();
      bring_forward(scale, next);
      if (anything_gone()) plan.emplace(scale + 1, row(scale));
      for (const RankedBlock& block : next) gone(block) = true;
    }
    return plan;
  }

 private:
  std::vector<bool>::reference gone(const RankedBlock& block) {
    return gone_[static_cast<std::size_t>(block.source)][static_cast<std::size_t>(block.head)];
  }

  // How many entries of every list have lost their blocks when `scale` begins.
  int count(int scale) const {
    const std::int64_t before = geometry_.tokens_before(scale);
    if (before * kParts <= allowed_) return 0;
    const std::int64_t spare = before - geometry_.tokens_before(protected_);
    return static_cast<int>(ceil_divide(heads_ * (before * kParts - allowed_), spare * kParts));
  }

  // Blocks that go before `scale` and are still there, in the order in which they may go sooner.
  std::vector<RankedBlock> blocks_of(int scale) {
    std::vector<RankedBlock> blocks;
    const int lost = count(scale);
    for (int source = protected_; source < scale; ++source) {
      const std::vector<int>& order = rankings_[static_cast<std::size_t>(std::max(0, source - kProtectedScales))];
      for (int rank = 0; rank < lost; ++rank) {
        const int head = order[static_cast<std::size_t>(rank)];
        const RankedBlock block{head / geometry_.heads, source, rank, head};
        if (!gone(block)) blocks.push_back(block);
      }
    }
    std::sort(blocks.begin(), blocks.end());
    return blocks;
  }

  // Goes over the layers as `scale` does: each stores its map and drops its own of `next`. Where the sum is then
  // above the budget, blocks of later layers go before the scale begins. Those of its own map cannot: it is not there
  // yet.
  void bring_forward(int scale, const std::vector<RankedBlock>& next) {
    std::vector<std::int64_t> change(static_cast<std::size_t>(geometry_.layers),
                                     geometry_.heads * geometry_.map_tokens(scale));
    for (const RankedBlock& block : next)
      change[static_cast<std::size_t>(block.layer)] -= geometry_.map_tokens(block.source);
    std::int64_t sum = 0;
    for (int source = 0; source < scale; ++source) {
      const std::vector<bool>& mine = gone_[static_cast<std::size_t>(source)];
      sum += geometry_.map_tokens(source) * std::count(mine.begin(), mine.end(), false);
    }
    auto sooner = next.begin();
    for (int layer = 0; layer < geometry_.layers; ++layer) {
      sum += change[static_cast<std::size_t>(layer)];
      for (; sum * kParts > heads_ * allowed_ && sooner != next.end() && sooner->layer > layer; ++sooner) {
        if (sooner->source == scale) continue;
        const std::int64_t tokens = geometry_.map_tokens(sooner->source);
        gone(*sooner) = true;
        sum -= tokens;
        change[static_cast<std::size_t>(sooner->layer)] += tokens;  // they are gone already
      }
    }
  }

  bool anything_gone() const {
    return std::any_of(gone_.begin(), gone_.end(), [](const std::vector<bool>& source) {
      return std::find(source.begin(), source.end(), true) != source.end();
    });
  }

  std::vector<std::vector<bool>> row(int scale) const {
    std::vector<std::vector<bool>> kept(static_cast<std::size_t>(heads_));
    for (std::size_t head = 0; head < kept.size(); ++head) {
      for (int source = 0; source < scale; ++source) {
        const auto tokens = static_cast<std::size_t>(geometry_.map_tokens(source));
        kept[head].insert(kept[head].end(), tokens, !gone_[static_cast<std::size_t>(source)][head]);
      }
    }
    return kept;
  }

  const Rankings& rankings_;
  const CacheGeometry& geometry_;
  std::int64_t heads_;                   // of all layers
  std::int64_t allowed_;                 // parts of tokens that a head has on average
  int protected_;                        // scales that stay everywhere
  std::vector<std::vector<bool>> gone_;  // [source scale][layer * heads + head]
};

}  // namespace

bool holds_rankings(const nlohmann::json& json) {
  if (json.is_object()) return json.contains("orders");
  return json.is_array() && !json.empty() && json.front().is_array();
}

Rankings read_rankings(const nlohmann::json& json, const std::string& where, int layers, int heads) {
  const std::vector<Order> orders = read_orders(json.is_object() ? json.at("orders") : json, where);
  check_model(orders, where, layers, heads);
  Rankings rankings;
  for (const Order& order : orders) {
    const std::string wrong = fault(order, layers, heads, list_name(where, rankings.size()));
    if (!wrong.empty()) fail("{}; take the file as it was published", wrong);
    std::vector<int> ranked;
    for (const auto& [head, layer] : order) ranked.push_back(layer * heads + head);
    rankings.push_back(std::move(ranked));
  }
  return rankings;
}

TokenPlan plan_rankings(const Rankings& rankings, const CacheGeometry& geometry, double share) {
  return RankedPlan(rankings, geometry, share).make();
}

Policy make_ranked(const Rankings& rankings, const CacheGeometry& geometry, double share) {
  TokenPlan plan = plan_rankings(rankings, geometry, share);
  // Brought forward, blocks may go where the whole history is still within the budget: the base is what the scale
  // before the first row finds.
  const std::int64_t untouched = plan.empty() ? 0 : geometry.tokens_before(plan.begin()->first - 2);
  return make_planned(kRankedPolicy, geometry, untouched, std::move(plan), false);
}

}  // namespace scalekv::cache
