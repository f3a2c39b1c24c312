// The memory plan: what a request takes at its worst moment, known from sizes alone, before anything is allocated.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/model_calibration.h"
#include "infinity/generator.h"
#include "model/bundle.h"
#include "model/sizes.h"

namespace scalekv::engine {

// Texts of a request, in tokens.
struct TextLengths {
  std::int64_t prompt = 0;
  std::int64_t negative = 0;  // 0: the learned unconditional text, which is as long as the prompt
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

// What the request takes, drawn `batch` images at a time. `resolved`: of the same request (see settings.h).
// keep_text_encoder: as in OpenOptions.
MemoryPlan plan_memory(const model::ModelSizes& sizes, const Request& request,
                       const infinity::GenerationRequest& resolved, const TextLengths& texts, bool keep_text_encoder);

// A request that takes less, and how to ask for it.
struct Alternative {
  std::string options;  // "--weights int8 --kv int8"
  std::int64_t peak = 0;
};

// What a plan is made of, to be made again with less.
struct PlanQuestion {
  std::shared_ptr<const model::Bundle> bundle;
  OpenOptions open;
  std::shared_ptr<const ModelCalibration> calibration;  // null as none
  Request request;
  TextLengths texts;
  bool text_encoder = true;  // false: features are at hand, and its weights are never loaded
  bool decode = true;        // false: there is no picture in the end
  bool reconstruct = false;  // a picture becomes bits and a picture again: neither text encoder nor transformer runs
  int scales = 0;            // only so many are drawn; 0: all
  // Bytes that whoever asks holds while pictures are drawn and decoded; of a reconstruction, those of the picture that
  // is read, which go when it has its new size.
  std::int64_t held = 0;
  // Options of the command line that advice does not name: the command lacks them, or they would not help.
  std::vector<std::string> not_advised = {};
};

// The question for a model that is not open yet. Reads names, shapes and the tokenizer, and sets the number of threads,
// with which scratch memory grows. prompts: where there are some, the longest takes the place of the request's.
PlanQuestion make_question(const std::filesystem::path& file, const OpenOptions& open, const Request& request,
                           std::span<const std::string> prompts = {});

// The question for a picture that becomes bits and a picture again. size: as Request::size.
PlanQuestion make_reconstruction_question(const std::filesystem::path& file, const OpenOptions& open,
                                          const Image& picture, const std::string& size);

// The request of a question as it will be drawn.
infinity::GenerationRequest resolve_question(const PlanQuestion& question, const model::ModelSizes& sizes);

MemoryPlan answer(const PlanQuestion& question);

// Requests that stay within `available` bytes: every single change that is enough; or, where none is, changes one on
// top of the other until they are. Empty where nothing helps.
std::vector<Alternative> what_fits(const PlanQuestion& question, std::int64_t available);

// Throws Error where the plan takes more than is available: in one sentence what it needs, what there is, what fits.
// `available`: all that this process may have, what it already holds included.
void require_memory(const PlanQuestion& question, std::int64_t available);

// What this process may have in all, what it holds included: `limit` bytes, or (0) what the system and its control
// groups allow.
std::int64_t memory_allowed(std::int64_t limit);

}  // namespace scalekv::engine
