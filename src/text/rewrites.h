// The character rewrites of a SentencePiece model (compatibility forms, kinds of spaces, controls), as Hugging Face's
// library `tokenizers` applies them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::text {

class Rewrites {
 public:
  // table: precompiled_charsmap of a model; empty: nothing is rewritten. Throws Error where it is damaged.
  explicit Rewrites(std::string_view table);

  // text: valid UTF-8. A grapheme cluster (Unicode Annex 29, extended) of at most five bytes is rewritten as a whole:
  // to what the shortest of its rewritable beginnings becomes, and the rest of it is dropped. Other text is rewritten
  // character by character. SentencePiece itself takes the longest rewritable beginning of the text instead.
  std::string apply(std::string_view text) const;

 private:
  // Throws Error where find() could leave the units or the texts, or give half a character.
  void check() const;
  void check_text(std::size_t at) const;
  // What the shortest rewritable beginning of `text` becomes.
  std::optional<std::string_view> find(std::string_view text) const;
  void append_cluster(std::string_view cluster, std::string& result) const;

  // A Darts double array: https://github.com/s-yata/darts-clone. From a unit p the byte c leads to the unit
  // (p ^ offset(p)) ^ c if that one carries the label c; a unit that ends a key has its value at p ^ offset(p).
  std::vector<std::uint32_t> units_;
  std::string texts_;  // that the values point into, a NUL behind each
};

}  // namespace scalekv::text
