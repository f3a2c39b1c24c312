// From prompts to features.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/weight_type.h"
#include "scalekv/pipeline.h"
#include "text/t5_encoder.h"
#include "text/tokenizer.h"

namespace scalekv::engine {

struct PromptTokens {
  std::vector<std::int32_t> ids;  // </s> last
  std::int64_t cut = 0;           // those that the prompt has beyond text::kMaxPromptTokens, and that are left out
};

// A model's tokenizer, or what stands in for it in random models, which have none: an id for each byte, three more than
// its value, and </s> (as ByT5 does, arXiv 2105.13626).
class PromptTokenizer {
 public:
  using Warn = std::function<void(const std::string&)>;

  // model: SentencePiece, or empty for bytes. vocabulary: of the text encoder, whose rows beyond the model's pieces are
  // T5's sentinels. warn: is told of every prompt that is cut; may be empty.
  PromptTokenizer(const std::string& model, std::int64_t vocabulary, Warn warn = {});
  // Throws UsageError on invalid UTF-8 where there is a model.
  PromptTokens read(std::string_view prompt) const;
  // The ids alone.
  std::vector<std::int32_t> encode(std::string_view prompt) const { return read(prompt).ids; }
  // How many there are; nobody is told where the prompt is cut.
  std::int64_t count(std::string_view prompt) const;
  // The text of an id that read() gave; "<0x41>" for a byte.
  std::string piece(std::int32_t id) const;

 private:
  PromptTokens cut(std::string_view prompt) const;

  std::optional<text::Tokenizer> tokenizer_;
  Warn warn_;
};

// The text encoder, whose weights are in memory only while they are wanted: from the first encode() to release().
class TextEncoder {
 public:
  // Nothing is loaded, but names and shapes are read. Matrices will be held as `type`. keep: release() does nothing.
  // Throws Error where the weights are no T5 encoder's.
  TextEncoder(formats::WeightMap weights, WeightType type, bool keep = false);

  const model::T5Config& config() const { return config_; }
  // Loads the weights, if they are not in memory; encode() does it by itself.
  void load() const;
  // ids -> features [n, width]. Not to be called from several threads at once.
  Tensor encode(std::span<const std::int32_t> ids) const;
  // Gives the weights' memory back, unless they are to be kept; the next encode() loads them again.
  void release() const;

 private:
  model::T5Config config_;
  formats::WeightMap weights_;
  WeightType type_;
  bool keep_;
  mutable std::optional<text::T5Encoder> loaded_;
};

// Texts that are encoded once, however often a run asks for them.
class EncodedTexts {
 public:
  using Ids = std::vector<std::int32_t>;

  // Frees the features of all other texts.
  void keep_only(std::span<const Ids> texts);
  // Features [n, width] of each text; they live until a call does not name the text. An empty text has none. Keeps only
  // these texts, encodes those that are missing, and then releases the encoder.
  std::vector<View<const float>> encode(const TextEncoder& encoder, std::span<const Ids> texts);

 private:
  std::map<Ids, Tensor> features_;
};

// The texts of a list that is gone through in its order: each distinct one is encoded once, for what comes again is
// held until then.
class TextList {
 public:
  explicit TextList(std::vector<std::string> texts);

  // Text number i, and after it those that came before it and come again.
  std::vector<std::string> wanted(std::size_t i) const;
  // The most tokens of texts that are held while another one is asked for.
  std::int64_t held_tokens(const PromptTokenizer& tokenizer) const;

 private:
  struct Uses {
    std::size_t first = 0, last = 0;
  };

  std::vector<std::string> texts_;
  std::map<std::string, Uses> again_;  // of those that come more than once
};

// The reference's optional sentence about faces, appended where a word for a person occurs anywhere in the prompt
// ("man" in "romantic", too).
std::string with_face_prompt(const std::string& prompt);

// What is encoded of the request's prompt.
std::string encoded_prompt(const Request& request);

}  // namespace scalekv::engine
