#include "cache/rankings.h"

#include <algorithm>

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

}  // namespace scalekv::cache
