// SHA-256 (FIPS 180-4), by which a converted model names the files that it was made from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace scalekv::checkpoint {

class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  // The digest in hexadecimal; nothing may follow.
  std::string finish();

 private:
  void compress(const std::byte* block);

  static constexpr std::size_t kBlock = 64;
  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, kBlock> pending_{};
  std::uint64_t length_ = 0;  // bytes so far
};

// The digest of these bytes, in hexadecimal.
std::string sha256_of(std::span<const std::byte> bytes);

}  // namespace scalekv::checkpoint
