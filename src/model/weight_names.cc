#include "model/weight_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <tuple>

#include "base/utf8.h"

namespace scalekv::model {
namespace {

constexpr std::array<std::string_view, 4> kWrappers = {"_orig_mod", "_fsdp_wrapped_module",
                                                       "_checkpoint_wrapped_module", "_forward_module"};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool is_wrapper(std::string_view part, const std::vector<std::string_view>& before) {
  if (std::find(kWrappers.begin(), kWrappers.end(), part) != kWrappers.end()) return true;
  if (part != "module") return false;
  const std::size_t count = before.size();
  return count < 2 || before[count - 2] != "block_chunks" || !is_number(before[count - 1]);
}

// Whether one of the words of a prefix, in any case, is in `words`: "trainer.gpt_ema_fsdp." has trainer, gpt, ema,
// fsdp.
template <std::size_t N>
bool has_word(std::string_view prefix, const std::array<std::string_view, N>& words) {
  std::string word;
  for (const char c : ascii_lower(std::string(prefix))) {
    if (c >= 'a' && c <= 'z') {
      word.push_back(c);
      continue;
    }
    if (std::find(words.begin(), words.end(), word) != words.end()) return true;
    word.clear();
  }
  return false;
}

constexpr std::array<std::string_view, 1> kAveraged = {"ema"};
constexpr std::array<std::string_view, 6> kOptimizer = {"opt", "optim", "optimizer", "exp", "momentum", "grad"};

}  // namespace

std::string unwrapped(std::string_view name) {
  std::vector<std::string_view> kept;
  std::string result;
  for (;;) {
    const std::size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    const bool last = dot == std::string_view::npos;
    if (last || !is_wrapper(part, kept)) {
      kept.push_back(part);
      result.append(part);
      if (!last) result.push_back('.');
    }
    if (last) return result;
    name.remove_prefix(dot + 1);
  }
}

std::vector<WeightPrefix> find_prefixes(const formats::TensorSource& source, std::string_view marker) {
  std::vector<WeightPrefix> found;
  const auto look_at = [&](std::string_view raw) {
    const std::string name = unwrapped(raw);
    if (!name.ends_with(marker)) return;
    std::string prefix = name.substr(0, name.size() - marker.size());
    if (!prefix.empty() && prefix.back() != '.') return;
    const bool averaged = has_word(prefix, kAveraged);
    found.push_back({std::move(prefix), averaged});
  };
  for (const formats::TensorInfo& info : source.tensors()) look_at(info.name);
  for (const formats::PassedOver& thing : source.passed_over()) look_at(thing.name);
  std::sort(found.begin(), found.end(), [](const WeightPrefix& a, const WeightPrefix& b) {
    const auto rank = [](const WeightPrefix& prefix) {
      return std::tuple(has_word(prefix.text, kOptimizer), prefix.averaged, prefix.text.size(), prefix.text);
    };
    return rank(a) < rank(b);
  });
  const auto same = [](const WeightPrefix& a, const WeightPrefix& b) { return a.text == b.text; };
  found.erase(std::unique(found.begin(), found.end(), same), found.end());
  return found;
}

}  // namespace scalekv::model
