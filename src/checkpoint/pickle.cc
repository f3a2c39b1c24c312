#include "checkpoint/pickle.h"

#include "checkpoint/pickle_machine.h"
#include "checkpoint/strict_json.h"
#include "checkpoint/torch_objects.h"
#include "core/error.h"

namespace scalekv::checkpoint {
namespace {

using Kind = PickledValue::Kind;

constexpr std::int64_t kMaxVisits = 1'000'000;
constexpr int kMaxPickleDepth = 32;
constexpr std::size_t kMaxPickle = 64U << 20U;
constexpr std::size_t kMaxKey = 1024;  // bytes of a name that are kept; no tensor may have so long a name

// Walks the values and collects the tensors.
class Collector {
 public:
  Collector(const PickledValues& all, const std::string& where) : all_(all), where_(where) {}

  void visit(ValueId id, const std::string& name, int depth) {
    if (depth > kMaxPickleDepth) fail("{} is nested deeper than {} levels; it is refused", where_, kMaxPickleDepth);
    if (++visits_ > kMaxVisits) fail("{} unfolds into more than {} values; it is refused", where_, kMaxVisits);
    const PickledValue& value = all_.values[id];
    switch (value.kind) {
      case Kind::tensor:
        if (!is_sane_name(name)) fail("{}: a tensor has the unusable name {}", where_, in_quotes(name));
        tensors_.push_back(all_.tensors[static_cast<std::size_t>(value.number)]);
        tensors_.back().name = name;
        break;
      case Kind::dict:
        for (std::size_t i = 0; i < value.items.size(); i += 2) {
          visit(value.items[i + 1], join(name, key(all_.values[value.items[i]])), depth + 1);
        }
        break;
      case Kind::list:
      case Kind::tuple:
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          visit(value.items[i], join(name, fmt::format("{}", i)), depth + 1);
        }
        break;
      case Kind::global:
        check_type(value);
        break;
      default:
        break;
    }
  }

  std::vector<PickledTensor> tensors() && { return std::move(tensors_); }

 private:
  static std::string join(const std::string& name, const std::string& key) {
    if (name.empty()) return key;
    return name.size() > kMaxKey ? name : name + "." + key;
  }

  std::string key(const PickledValue& value) const {
    if (value.kind == Kind::text) return std::string(value.text.substr(0, kMaxKey));
    if (value.kind == Kind::integer) return fmt::format("{}", value.number);
    fail("{}: a dictionary has a key that is neither text nor a whole number; it is refused", where_);
  }

  // Element types may lie about as values; any other global has no business in a file of tensors.
  void check_type(const PickledValue& global) const {
    if (global.text != "torch")
      fail("{} holds {}, which a file of tensors does not need; it is refused", where_, global_name(global));
  }

  const PickledValues& all_;
  const std::string& where_;
  std::int64_t visits_ = 0;
  std::vector<PickledTensor> tensors_;
};

}  // namespace

std::vector<PickledTensor> read_pickled_tensors(std::string_view pickle, const std::string& where) {
  if (pickle.size() > kMaxPickle) fail("{} takes {} bytes, expected at most {}", where, pickle.size(), kMaxPickle);
  ByteReader reader(pickle, where);
  return read_pickled_tensors(reader);
}

std::vector<PickledTensor> read_pickled_tensors(ByteReader& reader) {
  PickledValues all;
  const ValueId root = run_pickle(reader, all);
  Collector collector(all, reader.where());
  collector.visit(root, "", 0);
  return std::move(collector).tensors();
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

}  // namespace scalekv::checkpoint
