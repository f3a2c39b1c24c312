// Text that stands for a token of its own: "</s>", "<pad>", "<unk>" and T5's sentinels "<extra_id_0>"...
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "text/piece_table.h"

namespace scalekv::text {

// A stretch of a prompt: one special token, or ordinary text.
struct Span {
  std::string_view text;
  std::optional<std::int32_t> id;
};

class SpecialTokens {
 public:
  explicit SpecialTokens(std::vector<Piece> tokens) : tokens_(std::move(tokens)) {}

  // Cuts a prompt at its special tokens: the first one, the longest where several begin there, and so on. Empty
  // stretches are left out.
  std::vector<Span> split(std::string_view prompt) const;

 private:
  PieceTable tokens_;
};

}  // namespace scalekv::text
