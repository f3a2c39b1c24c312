#include "base/strict_json.h"

#include <algorithm>
#include <set>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace scalekv {
namespace {

constexpr std::size_t kMaxJsonDepth = 16;
constexpr std::int64_t kMaxValues = 4'000'000;
constexpr std::int64_t kMaxListValues = 20'000'000;  // all captions of COCO's training set have 3.4 million
constexpr std::size_t kMaxShown = 160;
constexpr std::size_t kMaxName = 512;

// Builds the value from what the parser finds, in time that grows with the text. (The library's own parser with a
// callback does not: after every value it walks over all that stand beside it.)
template <class Json>
class StrictBuilder final : public nlohmann::json_sax<Json> {
 public:
  StrictBuilder(const std::string& where, std::int64_t max_values) : where_(where), max_values_(max_values) {}

  Json take() { return std::move(document_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string& /*digits*/) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(nlohmann::json::binary_t& /*value*/) override { return false; }  // texts have none
  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    auto& members = open_.back().value->template get_ref<typename Json::object_t&>();
    if (!open_.back().names.insert(name).second) fail("{}: the name {} occurs twice", where_, in_quotes(name));
    if constexpr (std::is_same_v<Json, nlohmann::ordered_json>) {
      member_ = &members.emplace_back(std::move(name), nullptr).second;  // emplace would search all members first
    } else {
      member_ = &members.emplace(std::move(name), nullptr).first->second;
    }
    return true;
  }

  bool parse_error(std::size_t at, const std::string& /*token*/, const nlohmann::json::exception& /*error*/) override {
    fail("{} is not valid JSON at byte {}; the file is damaged or was cut short", where_, at);
  }

 private:
  // A list or an object whose end is to come.
  struct Open {
    Json* value;                  // does not move: what holds it takes nothing meanwhile
    std::set<std::string> names;  // of its members; a tree, as files could be made to fill one bucket of a hash table
  };

  bool add(Json value) {
    if (++values_ > max_values_) fail("{}: the JSON holds more than {} values", where_, max_values_);
    if (open_.empty()) {
      added_ = &document_;
    } else if (open_.back().value->is_array()) {
      added_ = &open_.back().value->template get_ref<typename Json::array_t&>().emplace_back();
    } else {
      added_ = member_;
    }
    *added_ = std::move(value);
    return true;
  }

  bool open(Json value) {
    if (open_.size() == kMaxJsonDepth) fail("{}: the JSON is nested deeper than {} levels", where_, kMaxJsonDepth);
    add(std::move(value));
    open_.push_back({added_, {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  const std::int64_t max_values_;
  Json document_;
  std::vector<Open> open_;  // the outermost first
  Json* member_ = nullptr;  // its name was there, its value comes next
  Json* added_ = nullptr;   // the last one
  std::int64_t values_ = 0;
};

template <class Json>
Json parse(std::string_view text, const std::string& where, std::int64_t max_values) {
  StrictBuilder<Json> builder(where, max_values);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace

nlohmann::json parse_strict_json(std::string_view text, const std::string& where) {
  return parse<nlohmann::json>(text, where, kMaxValues);
}

nlohmann::ordered_json parse_strict_list(std::string_view text, const std::string& where) {
  return parse<nlohmann::ordered_json>(text, where, kMaxListValues);
}

std::string in_quotes(std::string_view name) {
  const std::string shown(name.substr(0, kMaxShown));
  const std::string dumped = nlohmann::json(shown).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return name.size() > kMaxShown ? dumped + "..." : dumped;
}

bool is_sane_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) return false;
  try {
    static_cast<void>(nlohmann::json(std::string(name)).dump());  // strict: throws on invalid UTF-8
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace scalekv
