// What the precision of keys and values costs on top of a cache policy, on the embedded model or the one named.
//   build/release/bench/kv_fidelity PROMPTS COUNT [POLICY [BUDGET [MODEL]]]
// Per precision, against the full cache in f32: the mean KL divergence of a bit under teacher forcing (nats), and the
// PSNR of the pictures drawn freely from the same seeds.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "cache/budget.h"
#include "core/error.h"
#include "dataset/prompt_list.h"
#include "eval/metrics.h"
#include "infinity/generator.h"
#include "pipeline/model.h"
#include "pipeline/pixels.h"
#include "pipeline/settings.h"

namespace scalekv {
namespace {

struct Drawn {
  infinity::Generation generation;
  std::vector<std::vector<float>> logits;  // per scale: [L, bits, 2]
};

Drawn draw(const pipeline::Model& model, const Request& request, const infinity::BitMaps* forced) {
  infinity::GenerationRequest generation = pipeline::resolve_request(model, request);
  generation.texts.push_back(model.text_encoder.encode(model.tokenizer.encode(request.prompt)));
  generation.seeds = {{request.seed, 0}};
  generation.forced = forced;
  Drawn drawn;
  infinity::GenerationHooks hooks;
  hooks.tap = [&](std::string_view stage, View<const float> value) {
    if (stage.starts_with("logits.")) drawn.logits.emplace_back(value.data(), value.data() + value.elements());
  };
  drawn.generation = infinity::generate(model.transformer, generation, hooks);
  return drawn;
}

double log_sigmoid(double x) { return x > 0.0 ? -std::log1p(std::exp(-x)) : x - std::log1p(std::exp(x)); }

// Mean over all bits of KL(reference || other).
double mean_divergence(const Drawn& reference, const Drawn& other) {
  double sum = 0.0;
  std::size_t bits = 0;
  for (std::size_t s = 0; s < reference.logits.size(); ++s) {
    const std::vector<float>&a = reference.logits[s], &b = other.logits[s];
    for (std::size_t i = 0; i + 1 < a.size(); i += 2, ++bits) {
      const double p = static_cast<double>(a[i + 1]) - static_cast<double>(a[i]);
      const double q = static_cast<double>(b[i + 1]) - static_cast<double>(b[i]);
      sum += std::exp(log_sigmoid(p)) * (log_sigmoid(p) - log_sigmoid(q)) +
             std::exp(log_sigmoid(-p)) * (log_sigmoid(-p) - log_sigmoid(-q));
    }
  }
  return sum / static_cast<double>(bits);
}

Image picture(const pipeline::Model& model, const Drawn& drawn) {
  return pipeline::to_image(model.decoder.decode(drawn.generation.latents.front().view<float>()).view<float>());
}

// PSNR of equal pictures counts as that of pictures that differ by one level in one channel of one pixel.
double finite_psnr(const Image& a, const Image& b) {
  const double most = 10.0 * std::log10(255.0 * 255.0 * 3.0 * static_cast<double>(a.width * a.height));
  return std::min(eval::psnr(a, b), most);
}

void run(int argc, char** argv) {
  if (argc < 3) fail_usage("kv_fidelity PROMPTS COUNT [POLICY [BUDGET [MODEL]]]");
  const std::vector<std::string> prompts = dataset::read_prompts(argv[1]);
  const auto count = std::min(prompts.size(), static_cast<std::size_t>(std::strtoul(argv[2], nullptr, 10)));
  const auto model = pipeline::open_model(argc > 5 ? argv[5] : "", {});
  Request full;
  full.cache.policy = "full";
  Request request;
  request.cache.policy = argc > 3 ? argv[3] : "scalekv";
  request.cache.budget = cache::parse_share(argc > 4 ? argv[4] : "10%");
  const std::vector<std::string> precisions = {"f32", "bf16", "int8"};
  std::vector<double> kl(3), psnr(3), full_kl(3), full_psnr(3);
  for (std::size_t i = 0; i < count; ++i) {
    full.prompt = request.prompt = prompts[i];
    full.seed = request.seed = i;
    full.cache.precision = "f32";
    const Drawn reference = draw(*model, full, nullptr);
    const Image reference_image = picture(*model, reference);
    for (std::size_t p = 0; p < precisions.size(); ++p) {
      full.cache.precision = request.cache.precision = precisions[p];
      kl[p] += mean_divergence(reference, draw(*model, request, &reference.generation.bits));
      full_kl[p] += mean_divergence(reference, draw(*model, full, &reference.generation.bits));
      psnr[p] += finite_psnr(reference_image, picture(*model, draw(*model, request, nullptr)));
      full_psnr[p] += finite_psnr(reference_image, picture(*model, draw(*model, full, nullptr)));
    }
  }
  const auto images = static_cast<double>(count);
  fmt::print("{} prompts, {}\n{:<5} {:<14} {:>12} {:>10} {:>9}\n", count, model->name, "kv", "policy", "KL, nats/bit",
             "over f32", "PSNR, dB");
  for (std::size_t p = 0; p < precisions.size(); ++p) {
    fmt::print("{:<5} {:<14} {:>12.3e} {:>10} {:>9.2f}\n", precisions[p], "full", full_kl[p] / images, "",
               full_psnr[p] / images);
    fmt::print("{:<5} {:<14} {:>12.3e} {:>+9.2f}% {:>9.2f}\n", precisions[p], request.cache.policy, kl[p] / images,
               100.0 * (kl[p] / kl[0] - 1.0), psnr[p] / images);
  }
}

}  // namespace
}  // namespace scalekv

int main(int argc, char** argv) {
  try {
    scalekv::run(argc, argv);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "kv_fidelity: {}\n", error.what());
    return 1;
  }
}
