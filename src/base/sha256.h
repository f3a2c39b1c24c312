// SHA-256, by which a converted model names the files that it was made from.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/progress.h"

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

// That of a whole file, as sha256sum prints it. Takes no memory for the file. Throws Error naming the path.
std::string hash_file(const std::filesystem::path& path, const WorkProgress& progress);

}  // namespace scalekv
