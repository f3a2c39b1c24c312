#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "infinity/schedule.h"
#include "scalekv/pipeline.h"

namespace scalekv {
namespace {

// A value as those viewers want it: between quotation marks where it holds what parts one from another.
std::string quoted(const std::string& value) {
  if (value.find_first_of(",:\n\"") == std::string::npos) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::map<std::string, std::string> with_parameters(std::map<std::string, std::string> settings, const Image& image) {
  const auto value = [&](const char* key) {
    const auto found = settings.find(key);
    return found == settings.end() ? std::string() : found->second;
  };
  std::string text = value("prompt");
  if (const std::string negative = value("negative_prompt"); !negative.empty()) {
    text += "\nNegative prompt: " + negative;
  }
  const infinity::Schedule schedule =
      infinity::make_schedule(std::strtod(value("aspect").c_str(), nullptr), value("size"));
  text += fmt::format("\nSteps: {}, Sampler: Infinity, CFG scale: {}, Seed: {}, Size: {}x{}, Model: {}",
                      schedule.scales.size(), quoted(value("cfg")), value("seed"), image.width, image.height,
                      quoted(value("model")));
  if (const std::string number = value("image"); !number.empty() && number != "0") text += ", Image: " + number;
  text += ", Version: scalekv";
  settings["parameters"] = text;
  return settings;
}

}  // namespace scalekv
