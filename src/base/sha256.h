// SHA-256, by which a converted model names the files that it was made from.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;  // OpenSSL's

namespace scalekv {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::span<const std::byte> bytes);
  // The digest in hexadecimal; nothing may follow.
  std::string finish();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

// The digest of these bytes, in hexadecimal.
std::string sha256_of(std::span<const std::byte> bytes);

}  // namespace scalekv
