#include "formats/pickle.h"

#include <bit>

#include "base/error.h"
#include "base/strict_json.h"
#include "formats/pickle_machine.h"
#include "formats/torch_objects.h"

namespace scalekv::formats {
namespace {

using Kind = PickledValue::Kind;

constexpr std::int64_t kMaxVisits = 4'000'000;
constexpr int kMaxPickleDepth = 32;
constexpr std::size_t kMaxKey = 1024;          // bytes of a name that are kept; no tensor may have so long a name
constexpr std::size_t kMaxKept = 256U << 20U;  // bytes of all that is kept of tensors and of what is passed over

// "1.0", as Python writes it, whatever the version of fmt.
std::string python_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

// Walks the values and collects the tensors, and what stands beside them.
class Collector {
 public:
  Collector(const PickledValues& all, const std::string& where) : all_(all), where_(where), open_(all.values.size()) {}

  void visit(ValueId id, const std::string& name, int depth) {
    count_visit();
    const PickledValue& value = all_.values[id];
    switch (value.kind) {
      case Kind::tensor:
        add_tensor(value, name);
        break;
      case Kind::dict:
      case Kind::list:
      case Kind::tuple:
        if (depth > kMaxPickleDepth) {
          pass_over({.name = name, .what = fmt::format("what is nested deeper than {} levels", kMaxPickleDepth)});
        } else if (open_[id]) {
          pass_over({.name = name, .what = "a container within itself"});
        } else {
          open_[id] = true;
          visit_items(value, name, depth);
          open_[id] = false;
        }
        break;
      case Kind::global:
      case Kind::object:
      case Kind::storage:
      case Kind::unreadable: {
        PassedOver described = describe(all_, value);
        described.name = name;
        pass_over(std::move(described));
        break;
      }
      default:
        break;
    }
  }

  // What was found, without its storages.
  PickledContents take() && {
    PickledContents contents;
    contents.tensors = std::move(tensors_);
    contents.passed_over = std::move(passed_over_);
    return contents;
  }

 private:
  // What is neither a weight nor worth a line: numbers, texts, bytes, None.
  static bool is_plain(const PickledValue& value) {
    return value.kind == Kind::opaque || value.kind == Kind::integer || value.kind == Kind::real ||
           value.kind == Kind::text;
  }

  void count_visit() {
    if (++visits_ > kMaxVisits) fail("{} unfolds into more than {} values; it is refused", where_, kMaxVisits);
  }

  void visit_items(const PickledValue& value, const std::string& name, int depth) {
    const std::size_t step = value.kind == Kind::dict ? 2 : 1;
    for (std::size_t i = 0; i + step <= value.items.size(); i += step) {
      if (is_plain(all_.values[value.items[i + step - 1]])) {
        count_visit();
        continue;
      }
      const std::string part = step == 1 ? fmt::format("{}", i) : key(all_.values[value.items[i]], i / 2);
      visit(value.items[i + step - 1], join(name, part), depth + 1);
    }
  }

  static std::string join(const std::string& name, const std::string& key) {
    if (name.empty()) return key;
    return name.size() > kMaxKey ? name : name + "." + key;
  }

  // A key as a part of a name. What has no short text of its own goes by its place in the dictionary.
  static std::string key(const PickledValue& value, std::size_t place) {
    if (value.kind == Kind::text) return std::string(value.text.substr(0, kMaxKey));
    if (value.kind == Kind::integer) return fmt::format("{}", value.number);
    if (value.kind == Kind::real) return python_text(std::bit_cast<double>(value.number));
    return fmt::format("(key {})", place);
  }

  void add_tensor(const PickledValue& value, const std::string& name) {
    if (!is_sane_name(name)) return pass_over({.name = name, .what = "a tensor that has an unusable name"});
    count(sizeof(PickledTensor) + name.size());
    tensors_.push_back(all_.tensors[static_cast<std::size_t>(value.number)]);
    tensors_.back().name = name;
  }

  void pass_over(PassedOver found) {
    count(sizeof(PassedOver) + found.name.size() + found.what.size());
    passed_over_.push_back(std::move(found));
  }

  void count(std::size_t bytes) {
    kept_ += bytes;
    if (kept_ > kMaxKept) fail("{} unfolds into more than {} bytes of names; it is refused", where_, kMaxKept);
  }

  const PickledValues& all_;
  const std::string& where_;
  std::vector<bool> open_;  // containers on the way to what is visited
  std::int64_t visits_ = 0;
  std::size_t kept_ = 0;
  std::vector<PickledTensor> tensors_;
  std::vector<PassedOver> passed_over_;
};

// Throws Error where two descriptions of a storage differ.
std::map<std::string_view, std::int64_t> sizes_of(const std::vector<PickledStorage>& storages,
                                                  const std::string& where) {
  std::map<std::string_view, std::int64_t> sizes;
  for (const PickledStorage& storage : storages) {
    const auto [known, inserted] = sizes.emplace(storage.key, storage.bytes);
    if (!inserted && known->second != storage.bytes) {
      fail("{}: storage {} has {} and {} bytes; the file is damaged", where, in_quotes(storage.key), known->second,
           storage.bytes);
    }
  }
  return sizes;
}

}  // namespace

PickledContents read_pickled_tensors(std::string_view pickle, const std::string& where) {
  ByteReader reader(pickle, where);
  return read_pickled_tensors(reader);
}

PickledContents read_pickled_tensors(ByteReader& reader) {
  PickledValues all;
  const ValueId root = run_pickle(reader, all);
  Collector collector(all, reader.where());
  collector.visit(root, "", 0);
  PickledContents contents = std::move(collector).take();
  contents.storages = sizes_of(all.storages, reader.where());
  return contents;
}

std::vector<std::string_view> read_pickled_texts(ByteReader& reader) {
  PickledValues all;
  const PickledValue& list = all.values[run_pickle(reader, all)];
  std::vector<std::string_view> texts;
  for (const ValueId item : list.items) {
    const PickledValue& text = all.values[item];
    if (text.kind != Kind::text) break;
    texts.push_back(text.text);
  }
  if (list.kind != Kind::list || texts.size() != list.items.size()) {
    fail("{}: at byte {} it has something else than a list of texts; it is damaged", reader.where(), reader.position());
  }
  return texts;
}

}  // namespace scalekv::formats
