// What the fuzzers and the test that replays their corpora do with one input: read it as a file of weights.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <span>
#include <string_view>

#include "base/file.h"
#include "base/mapped_file.h"
#include "formats/npz.h"
#include "formats/pickle.h"
#include "formats/pytorch_file.h"
#include "formats/safetensors.h"
#include "formats/sharded_folder.h"
#include "formats/tensor_source.h"

namespace scalekv::formats {

// Reads every byte of the first tensors.
inline void touch(const TensorSource& source) {
  constexpr std::size_t kTensors = 64;
  unsigned sum = 0;
  for (const TensorInfo& info : std::span(source.tensors()).first(std::min(kTensors, source.tensors().size()))) {
    const Tensor tensor = source.load(info);
    for (const std::byte byte :
         std::span(static_cast<const std::byte*>(tensor.raw()), static_cast<std::size_t>(tensor.bytes()))) {
      sum += std::to_integer<unsigned>(byte);
    }
  }
  volatile unsigned keep = sum;  // so that the reads stay
  static_cast<void>(keep);
}

inline void read_as_safetensors(std::string_view bytes) {
  touch(*open_safetensors(MappedFile::resident("input", std::as_bytes(std::span(bytes)))));
}

inline void read_as_pytorch(std::string_view bytes) {
  touch(*open_pytorch(MappedFile::resident("input", std::as_bytes(std::span(bytes)))));
}

inline void read_as_npz(std::string_view bytes) {
  read_npz(*MappedFile::resident("input", std::as_bytes(std::span(bytes))));
}

inline void read_as_pickle(std::string_view bytes) { read_pickled_tensors(bytes, "input"); }

// The index of a folder that has one shard, s.safetensors, with a tensor "w".
inline void read_as_index(std::string_view bytes) {
  static const std::filesystem::path folder = [] {
    std::filesystem::path path = std::filesystem::temp_directory_path() / fmt::format("scalekv-index-{}", ::getpid());
    std::filesystem::create_directories(path);
    constexpr std::string_view kHeader = R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
    write_file(path / "s.safetensors",
               std::string{static_cast<char>(kHeader.size()), 0, 0, 0, 0, 0, 0, 0} + std::string(kHeader));
    return path;
  }();
  write_file(folder / "index.json", bytes);
  touch(*open_index(folder / "index.json"));
}

}  // namespace scalekv::formats
