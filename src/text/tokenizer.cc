#include "text/tokenizer.h"

#include <sentencepiece_processor.h>

#include <exception>

#include "core/error.h"
#include "text/model_check.h"
#include "text/special_tokens.h"
#include "text/utf8.h"

namespace scalekv::text {
namespace {

// What is wrong with the model; empty where nothing is.
std::string load(sentencepiece::SentencePieceProcessor& processor, std::string_view model) {
  try {
    const auto status = processor.LoadFromSerializedProto({model.data(), model.size()});
    return status.ok() ? "" : status.ToString();
  } catch (const std::exception& error) {  // of its double arrays
    return error.what();
  }
}

}  // namespace

struct Tokenizer::Impl {
  sentencepiece::SentencePieceProcessor processor;
  SpecialTokens special;
  std::int32_t end_id = 0;  // </s>

  // The id of a piece that the model must have.
  std::int32_t require_piece(const std::string& piece) const {
    const int id = processor.PieceToId(piece);
    if (processor.IdToPiece(id) != piece) fail("the tokenizer has no piece {}; it is not one of T5", piece);
    return id;
  }

  // Ordinary text. Pieces are looked up by their text because that is what Hugging Face does: a run of unknown
  // characters is one piece.
  void encode_text(std::string_view text, std::vector<std::int32_t>& ids) const {
    std::vector<std::string> pieces;
    const auto status = processor.Encode({text.data(), text.size()}, &pieces);
    if (!status.ok()) fail("the prompt cannot be tokenized: {}", status.ToString());
    for (const std::string& piece : pieces) ids.push_back(processor.PieceToId(piece));
  }
};

Tokenizer::Tokenizer(std::string_view model, int extra_ids) : impl_(std::make_unique<Impl>()) {
  check_sentencepiece_model(model);
  const std::string damage = load(impl_->processor, model);
  if (!damage.empty()) fail("the tokenizer is not a SentencePiece model ({}); download spiece.model again", damage);
  impl_->end_id = impl_->require_piece("</s>");
  for (const char* piece : {"</s>", "<pad>", "<unk>"}) {
    impl_->special.add(piece, {.id = impl_->require_piece(piece), .strips = false});
  }
  for (int i = 0; i < extra_ids; ++i) {
    impl_->special.add(fmt::format("<extra_id_{}>", i), {.id = vocabulary_size() + extra_ids - 1 - i, .strips = true});
  }
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

int Tokenizer::vocabulary_size() const { return impl_->processor.GetPieceSize(); }

std::vector<std::int32_t> Tokenizer::encode(std::string_view prompt, int max_tokens) const {
  SCALEKV_ASSERT(max_tokens >= 1);
  const std::size_t invalid = find_invalid_utf8(prompt);
  if (invalid != std::string_view::npos) fail_usage("the prompt is not valid UTF-8 at byte {}", invalid);
  const std::size_t limit = static_cast<std::size_t>(max_tokens) - 1;  // without </s>
  std::vector<std::int32_t> ids;
  for (const Span& span : impl_->special.split(prompt)) {
    if (ids.size() >= limit) break;
    if (span.id) {
      ids.push_back(*span.id);
    } else {
      impl_->encode_text(span.text, ids);
    }
  }
  if (ids.size() > limit) ids.resize(limit);
  // A prompt that ends in "</s>" gets no second one.
  if (ids.empty() || ids.back() != impl_->end_id) ids.push_back(impl_->end_id);
  return ids;
}

}  // namespace scalekv::text
