// Writes .safetensors files tensor by tensor: sizes are declared first, data follow in the declared order.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/tensor_source.h"

namespace scalekv::formats {

// The file appears under its name only when finish() returns; until then it lies beside it under a temporary name,
// which is removed if the writer is destroyed before. Throws Error naming the path where it cannot be written.
class SafetensorsWriter {
 public:
  // `tensors` need name, dtype and shape; the bytes of each are then appended in this order.
  SafetensorsWriter(std::filesystem::path path, const std::vector<TensorInfo>& tensors,
                    const std::map<std::string, std::string>& metadata);
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  // The next bytes of the data section (any number of calls per tensor).
  void append(std::span<const std::byte> bytes);
  void finish();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::ofstream stream_;
  std::int64_t remaining_ = 0;
  bool finished_ = false;
};

}  // namespace scalekv::formats
