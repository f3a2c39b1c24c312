#include "engine/model_calibration.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "engine/model.h"

namespace scalekv::engine {
namespace {

KnownCalibration parse(const std::string& text, const std::string& model, std::string name, const std::string& where) {
  auto content = std::make_shared<cache::Calibration>(cache::parse_calibration(text, where));
  check_model_name(content->model, model, where);
  return {std::move(content), std::move(name), sha256_of(std::as_bytes(std::span(text)))};
}

// As a shell takes it for one word.
std::string quoted(const std::string& word) {
  const bool plain = word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:+-") ==
                     std::string::npos;
  if (plain) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

std::string options_to_open(const std::filesystem::path& file, const OpenOptions& options) {
  std::string text;
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) text += fmt::format(" {} {}", option, quoted(value));
  };
  add("--model", file.string());
  add("--transformer", options.transformer.string());
  add("--vae", options.vae.string());
  add("--text-encoder", options.text_encoder.string());
  add("--arch", options.random_architecture);
  return options.random_architecture.empty() ? text : text + " --random";
}

}  // namespace

KnownCalibration read_named_calibration(const std::filesystem::path& path, const std::string& model) {
  return parse(read_file(path), model, path.filename().string(), path.string());
}

void check_model_name(const std::string& made_for, const std::string& model, const std::string& where) {
  if (!made_for.empty() && made_for != model) {
    fail("{} is of the model {}, this one is {}; calibrate this model", where, made_for, model);
  }
}

std::filesystem::path calibration_beside(const std::filesystem::path& model, const std::filesystem::path& transformer) {
  std::filesystem::path path = transformer.empty() ? model : transformer;
  return path.empty() ? path : path.replace_extension(".calibration.json");
}

ModelCalibration::ModelCalibration(const std::filesystem::path& file, const OpenOptions& options,
                                   const model::Bundle& bundle, std::string model)
    : model_(std::move(model)), options_(options_to_open(file, options)) {
  if (!options.random_architecture.empty()) return;
  const std::filesystem::path beside = calibration_beside(file, options.transformer);
  if (!names_files(file, options)) {
    name_ = "embedded";
    where_ = "the embedded calibration";
    text_ = embedded_calibration;
  } else if (!beside.empty() && std::filesystem::exists(beside)) {
    name_ = beside.filename().string();
    where_ = beside.string();
    text_ = [beside] { return read_file(beside); };
  } else if (!bundle.calibration_json.empty()) {
    name_ = "in the model's file";
    where_ = fmt::format("{}: the metadata entry 'calibration'", bundle.description);
    text_ = [json = bundle.calibration_json] { return json; };
  }
}

const KnownCalibration* ModelCalibration::read() const {
  if (!text_) return nullptr;
  if (!known_) known_ = parse(text_(), model_, name_, where_);
  return &*known_;
}

std::string ModelCalibration::command(const std::string& size) const {
  return fmt::format("scalekv calibrate{} --size {} --prompts PROMPTS.txt -o calibration-{}.json", options_, size,
                     size);
}

}  // namespace scalekv::engine
