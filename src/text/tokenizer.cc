#include "text/tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"
#include "text/rewrites.h"
#include "text/special_tokens.h"
#include "text/spiece_model.h"
#include "text/unigram.h"

namespace scalekv::text {
namespace {

constexpr std::string_view kSpace = "\u2581";  // what stands for a space in pieces

// A model's pieces and the sentinels above them, by id.
struct Vocabulary {
  std::vector<Piece> pieces;
  std::vector<Piece> special;  // those of them that are found in a prompt before anything is rewritten
  int size = 0;                // without the sentinels
  std::int32_t end = 0, unknown = 0;
};

Vocabulary make_vocabulary(SpieceModel model, int extra_ids) {
  const auto require = [&](std::string_view text) {
    for (const Piece& piece : model.pieces) {
      if (piece.text == text) return piece.id;
    }
    fail("the tokenizer has no piece {}; it is not one of T5", text);
  };
  Vocabulary vocabulary;
  vocabulary.size = static_cast<int>(model.pieces.size());
  vocabulary.end = require("</s>");
  vocabulary.unknown = require("<unk>");
  if (vocabulary.unknown != model.unknown) fail("the tokenizer's unknown piece is not <unk>; it is not one of T5");
  model.controls.insert(model.controls.end(), {vocabulary.end, vocabulary.unknown, require("<pad>")});
  for (const std::int32_t id : model.controls) vocabulary.special.push_back(model.pieces[static_cast<std::size_t>(id)]);
  vocabulary.pieces = std::move(model.pieces);
  for (int i = extra_ids - 1; i >= 0; --i) {
    const Piece sentinel{fmt::format("<extra_id_{}>", i), static_cast<std::int32_t>(vocabulary.pieces.size()), 0.0};
    vocabulary.special.push_back(sentinel);
    vocabulary.pieces.push_back(sentinel);
  }
  return vocabulary;
}

// Every space a kSpace, runs of spaces one, and one before the first word.
std::string with_spaces_marked(std::string_view text) {
  std::string marked;
  if (!text.starts_with(kSpace) && !text.starts_with(' ')) marked = kSpace;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != ' ') {
      marked += text[i];
    } else if (i == 0 || text[i - 1] != ' ') {
      marked += kSpace;
    }
  }
  return marked;
}

}  // namespace

struct Tokenizer::Impl {
  Rewrites rewrites;
  Vocabulary vocabulary;
  SpecialTokens special;
  Unigram unigram;

  Impl(SpieceModel model, int extra_ids)
      : rewrites(model.rewrites),
        vocabulary(make_vocabulary(std::move(model), extra_ids)),
        special(vocabulary.special),
        unigram(vocabulary.pieces, vocabulary.unknown) {}

  // A stretch without special tokens. Each word begins with a kSpace and is cut into pieces alone.
  void encode_text(std::string_view text, std::vector<std::int32_t>& ids) const {
    const std::string rewritten = rewrites.apply(text);
    const std::string_view kept = strip_right(rewritten);
    if (kept.empty()) return;
    const std::string marked = with_spaces_marked(kept);
    for (std::size_t begin = 0; begin < marked.size();) {
      const std::size_t end = std::min(marked.find(kSpace, begin + kSpace.size()), marked.size());
      unigram.encode(std::string_view(marked).substr(begin, end - begin), ids);
      begin = end;
    }
  }
};

Tokenizer::Tokenizer(std::string_view model, int extra_ids)
    : impl_(std::make_unique<Impl>(read_spiece_model(model), extra_ids)) {}
Tokenizer::~Tokenizer() = default;

int Tokenizer::vocabulary_size() const { return impl_->vocabulary.size; }

std::string Tokenizer::piece(std::int32_t id) const {
  return impl_->vocabulary.pieces.at(static_cast<std::size_t>(id)).text;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view prompt) const {
  const std::size_t invalid = find_invalid_utf8(prompt);
  if (invalid != std::string_view::npos) fail_usage("the prompt is not valid UTF-8 at byte {}", invalid);
  std::vector<std::int32_t> ids;
  for (const Span& span : impl_->special.split(prompt)) {
    if (span.id) {
      ids.push_back(*span.id);
    } else {
      impl_->encode_text(span.text, ids);
    }
  }
  ids.push_back(impl_->vocabulary.end);
  return ids;
}

}  // namespace scalekv::text
