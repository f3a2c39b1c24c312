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
    : model_(std::move(model)) {
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

}  // namespace scalekv::engine
