#include "study/evaluation_log.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/whole_lines.h"

namespace scalekv::study {
namespace {

constexpr const char* kFormat = "scalekv-evaluation-2";

std::string to_line(const Sample& sample, const std::string& prompt_sha256) {
  nlohmann::ordered_json json = {{"policy", sample.setting.policy},
                                 {"budget", sample.setting.budget},
                                 {"prompt", sample.prompt},
                                 {"prompt_sha256", prompt_sha256},
                                 {"psnr", sample.psnr},
                                 {"ssim", sample.ssim},
                                 {"kl", sample.divergence.kl},
                                 {"bit_agreement", sample.divergence.agreement},
                                 {"scale_kl", sample.divergence.scale_kl},
                                 {"scale_bit_agreement", sample.divergence.scale_agreement},
                                 {"seconds", sample.seconds}};
  if (sample.right) json["right"] = *sample.right;
  return json.dump() + "\n";
}

// Throws nlohmann::json::exception where the line is not what to_line writes.
Sample from_json(const nlohmann::json& json) {
  Sample sample;
  sample.setting = {json.at("policy").get<std::string>(), json.at("budget").get<double>()};
  sample.prompt = json.at("prompt").get<std::size_t>();
  sample.psnr = json.at("psnr").get<double>();
  sample.ssim = json.at("ssim").get<double>();
  sample.divergence = {.kl = json.at("kl").get<double>(),
                       .agreement = json.at("bit_agreement").get<double>(),
                       .scale_kl = json.at("scale_kl").get<std::vector<double>>(),
                       .scale_agreement = json.at("scale_bit_agreement").get<std::vector<double>>()};
  sample.seconds = json.at("seconds").get<double>();
  if (json.contains("right")) sample.right = json.at("right").get<bool>();
  return sample;
}

void check_heading(const nlohmann::json& json, const Settings& settings, const std::filesystem::path& path) {
  if (json.at("format").get<std::string>() != kFormat) {
    fail("{} is the log of another version of scalekv; name another folder with `out`, or begin `fresh`",
         path.string());
  }
  const std::string different = differences(json.at("settings").get<Settings>(), settings);
  if (!different.empty()) {
    fail("{} is the log of another evaluation ({}); name another folder with `out`, or begin `fresh`", path.string(),
         different);
  }
}

}  // namespace

Settings recorded_settings(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string heading;
  if (!std::getline(file, heading)) return {};
  try {
    return nlohmann::json::parse(heading).at("settings").get<Settings>();
  } catch (const nlohmann::json::exception&) {  // opening it says why
    return {};
  }
}

EvaluationLog::EvaluationLog(std::filesystem::path path, const Settings& settings,
                             std::vector<std::string> prompt_sha256)
    : path_(std::move(path)), prompt_sha256_(std::move(prompt_sha256)) {
  std::string text = std::filesystem::exists(path_) ? read_file(path_) : "";
  text.resize(text.rfind('\n') + 1);  // 0 where there is no whole line
  if (text.empty()) text = nlohmann::ordered_json({{"format", kFormat}, {"settings", settings}}).dump() + "\n";
  read(text, settings);
  write_file(path_, text);
}

void EvaluationLog::read(const std::string& text, const Settings& settings) {
  int number = 0;
  for (const std::string_view line : whole_lines(text)) {
    ++number;
    try {
      const nlohmann::json json = nlohmann::json::parse(line);
      if (number == 1) {
        check_heading(json, settings, path_);
        continue;
      }
      const Sample sample = from_json(json);
      const auto& sha256 = json.at("prompt_sha256").get_ref<const std::string&>();
      if (sample.prompt < prompt_sha256_.size() && prompt_sha256_[sample.prompt] != sha256) {
        fail(
            "{} is the log of another evaluation (its prompt number {} is another); name another folder with `out`, or "
            "begin `fresh`",
            path_.string(), sample.prompt + 1);
      }
      samples_.push_back(sample);
    } catch (const nlohmann::json::exception&) {
      fail("{}, line {}, is not what scalekv evaluate writes; begin `fresh`", path_.string(), number);
    }
  }
}

bool EvaluationLog::has(const PolicySetting& setting, std::size_t prompt) const {
  return std::any_of(samples_.begin(), samples_.end(),
                     [&](const Sample& sample) { return sample.prompt == prompt && sample.setting == setting; });
}

void EvaluationLog::add(Sample sample) {
  std::ofstream file(path_, std::ios::app | std::ios::binary);
  file << to_line(sample, prompt_sha256_.at(sample.prompt)) << std::flush;
  if (!file) fail("{} cannot be written; is the disk full?", path_.string());
  samples_.push_back(std::move(sample));
}

}  // namespace scalekv::study
