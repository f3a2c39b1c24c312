#include "eval/evaluation_log.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"

namespace scalekv::eval {
namespace {

std::string to_line(const Sample& sample) {
  nlohmann::ordered_json json = {{"policy", sample.setting.policy},
                                 {"budget", sample.setting.budget},
                                 {"prompt", sample.prompt},
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
Sample from_line(const std::string& line) {
  const nlohmann::json json = nlohmann::json::parse(line);
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

}  // namespace

EvaluationLog::EvaluationLog(std::filesystem::path path, const std::string& heading) : path_(std::move(path)) {
  if (!std::filesystem::exists(path_)) {
    write_file(path_, heading + "\n");
    return;
  }
  std::string text = read_file(path_);
  const std::size_t whole = text.rfind('\n') + 1;  // 0 where there is no whole line
  text.resize(whole);
  std::size_t begin = 0;
  for (int number = 1; begin < text.size(); ++number) {
    const std::size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (number == 1) {
      if (line != heading) {
        fail(
            "{} is the log of another evaluation (model, weights, prompts or settings differ); name another folder "
            "with -o",
            path_.string());
      }
      continue;
    }
    try {
      samples_.push_back(from_line(line));
    } catch (const nlohmann::json::exception&) {
      fail("{}, line {}, is not a sample of an evaluation; delete the file to begin anew", path_.string(), number);
    }
  }
  if (whole == 0) text = heading + "\n";
  write_file(path_, text);
}

bool EvaluationLog::has(const PolicySetting& setting, std::size_t prompt) const {
  return std::any_of(samples_.begin(), samples_.end(),
                     [&](const Sample& sample) { return sample.prompt == prompt && sample.setting == setting; });
}

void EvaluationLog::add(Sample sample) {
  std::ofstream file(path_, std::ios::app | std::ios::binary);
  file << to_line(sample) << std::flush;
  if (!file) fail("{} cannot be written; is the disk full?", path_.string());
  samples_.push_back(std::move(sample));
}

}  // namespace scalekv::eval
