#include "formats/passed_over.h"

#include <algorithm>

#include "base/error.h"
#include "base/strict_json.h"

namespace scalekv::formats {

void sort_passed_over(std::vector<PassedOver>& things) {
  std::stable_sort(things.begin(), things.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
}

const PassedOver* find_passed_over(const std::vector<PassedOver>& sorted, std::string_view name) {
  const auto found =
      std::lower_bound(sorted.begin(), sorted.end(), name,
                       [](const PassedOver& thing, std::string_view wanted) { return thing.name < wanted; });
  return found != sorted.end() && found->name == name ? &*found : nullptr;
}

void refuse_without_tensors(const std::string& where, const std::vector<PassedOver>& others) {
  const PassedOver& first = others.front();
  fail("{} holds no tensors that can be read, but {}{}{}; {}", where, first.what,
       first.name.empty() ? "" : " named " + in_quotes(first.name),
       others.size() == 1 ? "" : fmt::format(" and {} more", others.size() - 1), advice_for(first));
}

std::string_view advice_for(const PassedOver& thing) {
  return thing.advice.empty() ? "load it in PyTorch and save its state_dict() as plain tensors" : thing.advice;
}

}  // namespace scalekv::formats
