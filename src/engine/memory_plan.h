// The memory plan: what a request takes at its worst moment, known from sizes alone, before anything is allocated.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/memory_claim.h"
#include "engine/resolved_request.h"
#include "scalekv/plan.h"

namespace scalekv::engine {

// Texts of a picture, in tokens.
struct TextLengths {
  std::int64_t prompt = 0;
  std::int64_t negative = 0;  // 0: the learned unconditional text, which is as long as the prompt
  std::int64_t held = 0;      // of other pictures' texts, which stay encoded meanwhile
};

// Texts of all pictures of a request, in tokens.
struct TextTokens {
  // pictures: their texts, in the order in which they are drawn.
  TextTokens(std::span<const TextLengths> pictures, const ResolvedRequest& request);

  std::vector<std::int64_t> encoded;  // each different text, in the order in which they are encoded; 0: none
  std::int64_t together = 0;          // of the batch that has most, unconditional texts included
  std::int64_t held = 0;              // that are encoded already, and stay
};

// Bytes. By kind: the ledger's peaks. By phase: what is alive together.
struct MemoryPlan {
  std::int64_t weights = 0;       // transformer and VAE
  std::int64_t text_weights = 0;  // text encoder: freed when texts are encoded, unless it is to be kept
  std::int64_t kv = 0;
  std::int64_t kv_full = 0;  // the same images with the full cache, of the same precision
  std::int64_t activations = 0;
  std::int64_t text = 0;
  std::int64_t vae = 0;

  std::int64_t encoding = 0;  // while the text encoder runs
  std::int64_t drawing = 0;   // while the transformer runs
  std::int64_t decoding = 0;  // while the VAE runs

  std::int64_t peak() const;
};

// What the request takes on a back end. keep_text_encoder: as in OpenOptions.
MemoryPlan plan_memory(const backend::Backend& backend, const model::ModelSizes& sizes, const ResolvedRequest& request,
                       const TextTokens& texts, bool keep_text_encoder);
// The same where all pictures have texts of these lengths.
MemoryPlan plan_memory(const backend::Backend& backend, const model::ModelSizes& sizes, const ResolvedRequest& request,
                       const TextLengths& texts, bool keep_text_encoder);

// What it takes to turn a picture into bits of the schedule and back. The picture's floats go when it has its new size.
MemoryPlan plan_reconstruction(const backend::Backend& backend, const model::ModelSizes& sizes,
                               const infinity::Schedule& schedule, const Image& picture);

// What a memory plan is made of, to be made again with less.
struct MemoryQuestion {
  std::shared_ptr<const ModelFiles> files;
  std::string weights;  // as OpenOptions::weights
  bool keep_text_encoder = false;
  ResolvedRequest request;
  TextLengths texts;
  bool text_encoder = true;              // false: features are at hand, and its weights are never loaded
  bool decode = true;                    // false: there is no picture in the end
  const Image* reconstructed = nullptr;  // becomes bits and a picture again: nothing is drawn
  // Bytes that whoever asks holds while pictures are drawn and decoded.
  std::int64_t held = 0;
  // Settings that advice does not name: whoever asks lacks them, or they would not help.
  std::vector<std::string> not_advised = {};
};

// The question for a model that is not loaded yet. prompts: where there are some, the longest takes the place of the
// request's.
MemoryQuestion make_question(std::shared_ptr<const ModelFiles> files, ResolvedRequest request,
                             std::span<const std::string> prompts = {});

// The question for a picture, which must outlive it, that becomes bits and a picture again. size: as Request::size.
MemoryQuestion make_reconstruction_question(std::shared_ptr<const ModelFiles> files, const Image& picture,
                                            const std::string& size);

MemoryPlan answer(const MemoryQuestion& question);

// Requests that stay within `available` bytes: every single change that is enough; or, where none is, changes one on
// top of the other until they are. Empty where nothing helps.
std::vector<Alternative> what_fits(const MemoryQuestion& question, std::int64_t available);

// Settings in a sentence (scalekv/errors.h): "`policy` scalekv `budget` 10%", "no `keep_text_encoder`".
std::string in_words(std::span<const Setting> settings);

// Throws Error where the plan takes more than is available: in one sentence what it needs, what there is, what fits.
// `available`: all that this process may have, what it already holds included.
void require_memory(const MemoryQuestion& question, std::int64_t available);

// Claims `bytes` for what comes next. Throws as require_memory does where that is more than the options or the system
// allow, beside what other pipelines have claimed; `question` is called only then.
MemoryClaim claim_memory(std::int64_t bytes, const OpenOptions& options,
                         const std::function<MemoryQuestion()>& question);

}  // namespace scalekv::engine
