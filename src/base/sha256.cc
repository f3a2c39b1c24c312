#include "base/sha256.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/mapped_file.h"

namespace scalekv {
namespace {

void check(int done) {
  if (done != 1) fail("the system's libcrypto computes no SHA-256; its configuration may forbid it");
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

std::string Sha256::finish() {
  std::array<unsigned char, 32> digest{};
  check(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256_of(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string hash_file(const std::filesystem::path& path, const WorkProgress& progress) {
  constexpr std::size_t kPiece = std::size_t{64} << 20U;  // bytes between two returns of memory to the system
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const std::string what = "hashing " + path.filename().string();
  const std::span<const std::byte> bytes = file->bytes();
  Sha256 sha;
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    progress(static_cast<double>(at) / static_cast<double>(bytes.size()), what);
    sha.update(bytes.subspan(at, std::min(kPiece, bytes.size() - at)));
    file->drop_pages();
  }
  return sha.finish();
}

}  // namespace scalekv
