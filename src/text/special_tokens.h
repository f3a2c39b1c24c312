// Text that stands for a token of its own: "</s>", "<pad>", "<unk>" and T5's sentinels "<extra_id_0>"...
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::text {

struct SpecialToken {
  std::int32_t id = 0;
  bool strips = false;  // swallows the white space on both sides, as the sentinels do
};

// A stretch of a prompt: one special token, or ordinary text.
struct Span {
  std::string_view text;
  std::optional<std::int32_t> id;
};

class SpecialTokens {
 public:
  // token: starts with '<' and holds no other '<', so that no token can begin inside another.
  void add(const std::string& token, SpecialToken meaning);

  // Cuts a prompt at its special tokens, as Hugging Face's slow tokenizers do. Empty stretches are left out.
  std::vector<Span> split(std::string_view prompt) const;

 private:
  // The token that `text` starts with, or end().
  std::map<std::string, SpecialToken, std::less<>>::const_iterator find(std::string_view text) const;

  std::map<std::string, SpecialToken, std::less<>> tokens_;
};

}  // namespace scalekv::text
