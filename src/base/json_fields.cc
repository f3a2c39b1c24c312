#include "base/json_fields.h"

#include <cmath>

#include "base/error.h"

namespace scalekv {
namespace {

double as_number(const nlohmann::json& value, std::string_view key, std::string_view at) {
  const double number = value.is_number() ? value.get<double>() : -1.0;
  if (!(number >= 0.0) || !std::isfinite(number)) {
    fail("{}: \"{}\" holds something that is no number from 0 up", at, key);
  }
  return number;
}

}  // namespace

const nlohmann::json& json_member(const nlohmann::json& object, std::string_view key, std::string_view at) {
  if (!object.is_object() || !object.contains(key)) fail("{}: \"{}\" is missing; calibrate again", at, key);
  return object.at(key);
}

std::string json_text(const nlohmann::json& object, std::string_view key, std::string_view at) {
  const nlohmann::json& value = json_member(object, key, at);
  if (!value.is_string()) fail("{}: \"{}\" is not a text", at, key);
  return value.get<std::string>();
}

std::int64_t json_integer(const nlohmann::json& object, std::string_view key, std::string_view at, std::int64_t least,
                          std::int64_t most) {
  const nlohmann::json& value = json_member(object, key, at);
  if (!value.is_number_integer() || value < least || value > most) {
    fail("{}: \"{}\" is not a whole number from {} to {}", at, key, least, most);
  }
  return value.get<std::int64_t>();
}

const nlohmann::json& json_list(const nlohmann::json& object, std::string_view key, std::string_view at,
                                std::size_t size) {
  const nlohmann::json& value = json_member(object, key, at);
  if (!value.is_array()) fail("{}: \"{}\" is not a list", at, key);
  if (size != 0 && value.size() != size) fail("{}: \"{}\" has {} entries, not {}", at, key, value.size(), size);
  return value;
}

std::vector<double> json_numbers(const nlohmann::json& object, std::string_view key, std::string_view at,
                                 std::size_t size) {
  std::vector<double> values;
  if (size == 0) return values;
  for (const nlohmann::json& value : json_list(object, key, at, size)) values.push_back(as_number(value, key, at));
  return values;
}

double json_number(const nlohmann::json& object, std::string_view key, std::string_view at) {
  return as_number(json_member(object, key, at), key, at);
}

}  // namespace scalekv
