#include "checkpoint/strict_json.h"

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace scalekv::checkpoint {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxJsonDepth = 16;
constexpr std::size_t kMaxShown = 160;
constexpr std::size_t kMaxName = 512;

// Builds the value from what the parser finds, in time that grows with the text. (The library's own parser with a
// callback does not: after every value it walks over all that stand beside it.)
class StrictBuilder final : public nlohmann::json_sax<json> {
 public:
  StrictBuilder(const std::string& where, std::int64_t max_values, KeyOrder* order)
      : where_(where), max_values_(max_values), order_(order) {}

  json take() { return std::move(document_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string& /*digits*/) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(json::binary_t& /*value*/) override { return false; }  // texts have none
  bool start_object(std::size_t /*size*/) override { return open(json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    if (order_ != nullptr && open_.size() <= order_->size() && document_.is_object()) {
      order_->at(open_.size() - 1).push_back(name);
    }
    const auto [member, is_new] = open_.back()->get_ref<json::object_t&>().emplace(std::move(name), nullptr);
    if (!is_new) fail("{}: the name {} occurs twice", where_, in_quotes(member->first));
    member_ = &member->second;
    return true;
  }

  bool parse_error(std::size_t at, const std::string& /*token*/, const json::exception& /*error*/) override {
    fail("{} is not valid JSON at byte {}; the file is damaged or was cut short", where_, at);
  }

 private:
  bool add(json value) {
    if (++values_ > max_values_) fail("{}: the JSON holds more than {} values", where_, max_values_);
    if (open_.empty()) {
      added_ = &document_;
    } else if (open_.back()->is_array()) {
      added_ = &open_.back()->get_ref<json::array_t&>().emplace_back();
    } else {
      added_ = member_;
    }
    *added_ = std::move(value);
    return true;
  }

  bool open(json value) {
    if (open_.size() == kMaxJsonDepth) fail("{}: the JSON is nested deeper than {} levels", where_, kMaxJsonDepth);
    add(std::move(value));
    open_.push_back(added_);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  const std::int64_t max_values_;
  KeyOrder* const order_;
  json document_;
  // Lists and objects whose end is to come, the outermost first. None moves: what holds it takes nothing meanwhile.
  std::vector<json*> open_;
  json* member_ = nullptr;  // its name was there, its value comes next
  json* added_ = nullptr;   // the last one
  std::int64_t values_ = 0;
};

}  // namespace

nlohmann::json parse_strict_json(std::string_view text, const std::string& where, std::int64_t max_values,
                                 KeyOrder* order) {
  StrictBuilder builder(where, max_values, order);
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
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

}  // namespace scalekv::checkpoint
