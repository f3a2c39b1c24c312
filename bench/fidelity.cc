// What the precision of weights, keys and values costs, on the embedded model or the one named.
//   build/release/bench/fidelity PROMPTS COUNT [MODEL]
// Against float32 weights and the full cache in float32, for each form of weights and cache: the mean KL divergence of
// a bit under teacher forcing (nats), and the PSNR of the pictures drawn freely from the same seeds.
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "base/error.h"
#include "dataset/prompt_list.h"
#include "engine/run.h"
#include "runtime/runtime.h"
#include "study/evaluation.h"
#include "study/teacher_forcing.h"

namespace scalekv {
namespace {

struct Variant {
  std::string weights, policy, kv;
  double kl = 0.0, psnr = 0.0;  // sums over the prompts
};

std::vector<Variant> variants() {
  return {{"bf16", "full", "f32"},   {"int8", "full", "f32"},    {"f32", "full", "bf16"},   {"f32", "full", "int8"},
          {"f32", "scalekv", "f32"}, {"f32", "scalekv", "bf16"}, {"f32", "scalekv", "int8"}};
}

infinity::GenerationRequest request_for(const engine::Model& model, const std::string& policy, const std::string& kv) {
  Request request;
  request.prompt = "any";
  request.cache.policy = policy;
  request.cache.precision = kv;
  return engine::resolve_request(model, request).generation;
}

void print(const std::vector<Variant>& list, double count) {
  double policy_kl = 0.0;  // of scalekv with nothing rounded
  fmt::print("{:<8} {:<8} {:<5} {:>14} {:>12} {:>9}\n", "weights", "policy", "kv", "KL, nats/bit", "over f32",
             "PSNR, dB");
  for (const Variant& variant : list) {
    const bool cut = variant.policy != "full";
    if (cut && variant.kv == "f32") policy_kl = variant.kl;
    const std::string over = cut ? fmt::format("{:+.2f}%", 100.0 * (variant.kl / policy_kl - 1.0)) : "";
    fmt::print("{:<8} {:<8} {:<5} {:>14.3e} {:>12} {:>9.2f}\n", variant.weights, variant.policy, variant.kv,
               variant.kl / count, over, variant.psnr / count);
  }
}

void run(int argc, char** argv) {
  if (argc < 3) fail_usage("fidelity PROMPTS COUNT [MODEL]");
  const std::vector<std::string> prompts = dataset::read_prompts(argv[1]);
  const auto count = std::min(prompts.size(), static_cast<std::size_t>(std::strtoul(argv[2], nullptr, 10)));
  if (count == 0) fail_usage("there is no prompt to draw");
  const auto open = [&](const char* weights) {
    return engine::open_model(argc > 3 ? argv[3] : "", {.weights = weights, .keep_text_encoder = true});
  };
  const std::unique_ptr<engine::Model> f32 = open("f32"), bf16 = open("bf16"), int8 = open("int8");
  std::vector<Variant> list = variants();
  for (std::size_t i = 0; i < count; ++i) {
    // The reference's for all: what the text encoder's rounding costs is not asked here.
    const engine::Batch batch =
        engine::batch_of(engine::encode_texts(*f32, std::span(prompts).subspan(i, 1)).front(), {}, {i, 0});
    const study::Trace reference = study::run_traced(*f32->backend, request_for(*f32, "full", "f32"), batch);
    const Image reference_picture = engine::decode(*f32, reference.drawn.latents.front());
    for (Variant& variant : list) {
      const engine::Model& model = variant.weights == "bf16" ? *bf16 : variant.weights == "int8" ? *int8 : *f32;
      const infinity::GenerationRequest request = request_for(*f32, variant.policy, variant.kv);
      variant.kl += study::teacher_forced_divergence(reference, *model.backend, request, batch).front().kl;
      const engine::Drawn drawn = engine::draw(*model.backend, request, batch);
      variant.psnr += study::finite_psnr(reference_picture, engine::decode(model, drawn.latents.front()));
    }
  }
  fmt::print("{}, {} prompts\n", f32->sizes.name, count);
  print(list, static_cast<double>(count));
}

}  // namespace
}  // namespace scalekv

int main(int argc, char** argv) {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  try {
    scalekv::run(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "fidelity: {}\n", error.what());
    return 1;
  }
}
