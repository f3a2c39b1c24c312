#include "engine/fingerprint.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "engine/model.h"

namespace scalekv::engine {
namespace {

// 4 MiB are hashed in a few hundredths of a second; spread over many small blocks they touch every large tensor.
constexpr std::size_t kBlocks = 4096;
constexpr std::size_t kBlockBytes = std::size_t{1} << 10;

void add_bytes(Sha256& hash, std::span<const std::byte> bytes) {
  const std::uint64_t size = bytes.size();
  hash.update(std::as_bytes(std::span(&size, 1)));
  if (bytes.size() <= kBlocks * kBlockBytes) {
    hash.update(bytes);
    return;
  }
  for (std::size_t i = 0; i < kBlocks; ++i) {
    hash.update(bytes.subspan((bytes.size() - kBlockBytes) / (kBlocks - 1) * i, kBlockBytes));
  }
}

void add_path(Sha256& hash, const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) {
    add_bytes(hash, MappedFile::open(path)->bytes());
    return;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(path)) {
    const bool hidden = file.path().filename().string().starts_with('.');
    if (!hidden && file.is_regular_file() && file.file_size() > 0) files.push_back(file.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) add_path(hash, file);
}

}  // namespace

std::string model_fingerprint(const std::filesystem::path& model, const OpenOptions& options) {
  Sha256 hash;
  bool named = false;
  for (const auto* path : {&model, &options.transformer, &options.vae, &options.text_encoder}) {
    if (path->empty()) continue;
    named = true;
    add_path(hash, *path);
  }
  if (!options.random_architecture.empty()) {
    add_bytes(hash, std::as_bytes(std::span(options.random_architecture)));  // the weights follow from it
  } else if (!named) {
    add_bytes(hash, embedded_model_bytes());
  }
  if (options.ema) add_bytes(hash, std::as_bytes(std::span(std::string_view("ema"))));
  return hash.finish();
}

std::string calibration_fingerprint(const std::filesystem::path& model, const OpenOptions& options,
                                    const std::filesystem::path& calibration) {
  Sha256 hash;
  const std::filesystem::path path = calibration.empty() ? calibration_beside(model, options.transformer) : calibration;
  if (path.empty()) {
    if (!options.random_architecture.empty()) return {};
    const std::string embedded = embedded_calibration();
    add_bytes(hash, std::as_bytes(std::span(embedded)));
  } else {
    if (!std::filesystem::exists(path) && calibration.empty()) return {};
    add_path(hash, path);
  }
  return hash.finish();
}

}  // namespace scalekv::engine
