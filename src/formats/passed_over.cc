#include "formats/passed_over.h"

#include "base/error.h"
#include "base/strict_json.h"

namespace scalekv::formats {

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
