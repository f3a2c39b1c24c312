// A loaded model, what it is asked for, and what it draws.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scalekv/api.h"
#include "scalekv/errors.h"
#include "scalekv/image.h"
#include "scalekv/progress.h"

namespace scalekv {

struct OpenOptions {
  // Threads of the pipeline's pool; 0: one for each processor.
  int threads = 0;
  // Published files, in place of a model file's own part: transformer checkpoint, VAE, flan-t5-xl folder.
  std::filesystem::path transformer = {}, vae = {}, text_encoder = {};
  // The exponential moving averages that training kept of the transformer (and of the VAE, where its file has them) in
  // place of the weights themselves; open() throws UsageError where there are none.
  bool ema = false;
  // How the transformer's matrices are held: "f32", "bf16" or "int8"; empty: as in an int8 file, f32 for small models,
  // else what suits the machine (int8 on x86 with AVX2, else bf16).
  // The text encoder's follow, embeddings, norms, conditioning and head stay float32.
  std::string weights = {};
  // In place of files: random weights of a released model's sizes ("infinity-2b", "layer12"), for measuring time and
  // memory. Prompts are then read byte by byte, and pictures show noise.
  std::string random_architecture = {};
  // The text encoder's weights are freed when a request's texts are encoded, and loaded again for the next one; true
  // keeps them, for servers and long lists of prompts.
  bool keep_text_encoder = false;
  // Is told, in one sentence, where something was done otherwise than asked: a prompt that is longer than the model
  // reads, and cut. May be empty.
  std::function<void(const std::string&)> warn = {};
  // Bytes that the pipelines of this process may take together; 0: what the system and its control groups (containers)
  // have left. A request whose plan takes more is refused before anything is allocated.
  std::int64_t memory_limit = 0;
};

// Which tokens the KV cache keeps (docs/ALGORITHM.md). Policies: "full", "scalekv", its rivals
// "sliding-window", "streaming-llm", "ams-kv", "snapkv", "pyramidkv", "h2o", "hack" and "heatkv", our own "adaptive"
// and "scalekv-first", and "auto", the best known of them for the model and the picture (Pipeline::describe says
// which).
struct CacheSettings {
  std::string policy = "auto";
  // Share of the full cache that the layers keep on average, in (0, 1].
  double budget = 0.10;
  // scalekv and scalekv-first only: "reference" (the published code, exactly; taken where this is empty) or "attention"
  // (as the paper describes it).
  std::string selector = {};
  // What `scalekv calibrate` measured of the model; empty: the file beside the model, if there is one. hack, heatkv and
  // adaptive need it, and it has to cover the picture's scales; scalekv takes its drafters from one that does, unless
  // budgets are published for the model and nobody named it.
  std::filesystem::path calibration = {};
  // How precisely keys and values are kept: "f32", "bf16" or "int8".
  std::string precision = "f32";
  // An allocation that `scalekv calibrate --policy` wrote, or a file of the ScaleKV repository: it says policy and
  // budget, whatever the fields above say. Or HeatKV's rankings of a released model (orders/2b.json of its repository):
  // the policy is heatkv then, without a calibration, and the budget is the one above.
  std::filesystem::path budgets = {};
  // What that file holds, for whoever has read it; empty: it is read.
  std::string budgets_text = {};
};

struct Request {
  std::string prompt = {};
  // What not to draw; empty: the model's learned unconditional text.
  std::string negative_prompt = {};
  std::uint64_t seed = 0;
  // Images to draw; image i of a seed is the same whatever their number, the batch and the threads.
  int images = 1;
  // Images drawn together. More is faster per image and takes more memory.
  int batch = 1;
  // "0.06M", "0.25M", "0.60M" or "1M"; empty: the model's own.
  std::string size = {};
  // Height / width, 1/3 to 3; the nearest of the model's fifteen ratios is taken.
  double aspect = 1.0;
  // Guidance strength and temperature: one value, or one per scale; empty: the model's own.
  std::vector<float> cfg = {};
  std::vector<float> tau = {};
  // 0: guidance acts on the logits; k > 0: on the output of the layer k before the end.
  int guidance_layer = 0;
  int top_k = 0;
  // Bits whose rarer value has at most 1 - top_p of the probability are not left to chance; 0: all are.
  double top_p = 0.97;
  // Append the reference's sentence about faces where the prompt names a person.
  bool face_prompt = false;
  CacheSettings cache = {};
};

// One picture of several that differ in their prompts; all else of them is one Request's.
struct Prompt {
  std::string text = {};
  std::uint64_t seed = 0;
  std::string negative = {};  // as Request::negative_prompt
  int image = 0;              // which of the pictures of that seed
};

// What a run took.
struct Statistics {
  double seconds = 0.0;              // everything
  double seconds_text = 0.0;         // tokenizer and text encoder
  double seconds_transformer = 0.0;  // all scales
  double seconds_decode = 0.0;       // VAE
  // Bytes of keys and values: the largest at any moment (the current token map included), and the same for a full
  // cache of the same precision.
  std::int64_t kv_bytes_peak = 0;
  std::int64_t kv_bytes_peak_full = 0;
  // Peak bytes by kind: weights, kv, activations, text, vae.
  std::map<std::string, std::int64_t> peak_bytes = {};
  int scales = 0;
  std::int64_t tokens = 0;  // of one image, all scales
};

// Of a prompt, </s> included: all tokens that it has, and those that were left out because a model reads 512.
struct PromptLength {
  std::int64_t tokens = 0;
  std::int64_t cut = 0;
};

struct Result {
  std::vector<Image> images;
  std::vector<PromptLength> prompts;  // of each image
  Statistics statistics;
};

// What is open.
struct ModelFacts {
  std::string name;
  std::int64_t depth = 0, width = 0, heads = 0, bits = 0;
  bool patchify = false;
  std::int64_t pixels_per_token = 16;
  std::int64_t weight_bytes = 0;  // in memory
  std::string weights;            // "f32", "bf16" or "int8": how the transformer's matrices are held
  std::string default_size;
};

// A loaded model, with threads and memory of its own. One generation at a time per pipeline; pipelines may run at the
// same time, each on a thread of its own.
class SCALEKV_API Pipeline {
 public:
  // Opens a model file, or the model embedded in the library where `model` is empty and no parts are named.
  static Pipeline open(const std::filesystem::path& model = {}, const OpenOptions& options = {});
  ~Pipeline();
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;

  const ModelFacts& facts() const;

  // The first image of the request.
  Image generate(const Request& request, const ProgressCallback& progress = {});
  // All images, and what they took.
  Result run(const Request& request, const ProgressCallback& progress = {}, const Previews& previews = {});
  // A picture of each prompt, `common.batch` of them drawn together, in the order of the list. Each has the bytes that
  // it has alone, whatever its neighbours. common: its prompt, negative prompt, seed and number of images do not count.
  // Throws UsageError where the list, or a prompt of it, is empty.
  Result run(const Request& common, const std::vector<Prompt>& prompts, const ProgressCallback& progress = {},
             const Previews& previews = {});
  // Stops what is running from another thread: it throws Cancelled after its scale. Where nothing runs, the next run is
  // stopped.
  void cancel();
  // The image as the model's bits can say it: encoded to bits of every scale and decoded again. The image is cut at
  // its centre to the nearest aspect ratio and resized to the schedule's pixels.
  Image reconstruct(const Image& image, const std::string& size = {});

  // Everything that picture number `image` of a request depends on, as text for its file (with_parameters): pictures
  // that say the same are the same.
  std::map<std::string, std::string> describe(const Request& request, int image = 0) const;

 private:
  struct Impl;
  friend struct PipelineAccess;  // what else works on a loaded model: calibrate(), evaluate()
  explicit Pipeline(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// What the file of a picture says (Image::write): what Pipeline::describe returned and, as "parameters", the same in
// the one text that viewers of generated pictures read: prompt, negative prompt, then steps, guidance, seed, size,
// model. An entry "image" is the picture's number where a request has several.
SCALEKV_API std::map<std::string, std::string> with_parameters(std::map<std::string, std::string> settings,
                                                               const Image& image);

}  // namespace scalekv
