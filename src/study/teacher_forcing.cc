#include "study/teacher_forcing.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace scalekv::study {
namespace {

// log(1 + exp(x)) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

// The rows of one image at one scale.
View<const float> image_rows(const Tensor& logits, std::size_t image, std::size_t images) {
  const View<const float> all = logits.view<float>();
  const std::int64_t rows = all.size(0) / static_cast<std::int64_t>(images);
  return all.slice(0, static_cast<std::int64_t>(image) * rows, static_cast<std::int64_t>(image + 1) * rows);
}

double mean_divergence(View<const float> reference, View<const float> other) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < reference.elements(); i += 2) {
    const float* p = reference.data() + i;
    const float* q = other.data() + i;
    sum += bit_divergence(double{p[1]} - p[0], double{q[1]} - q[0]);
  }
  return sum / (static_cast<double>(reference.elements()) / 2.0);
}

double bit_agreement(View<const float> reference, View<const float> other, const infinity::SamplingOptions& sampling,
                     const engine::ImageSeed& seed, std::uint32_t scale) {
  const Shape shape{reference.size(0), reference.size(1) / 2};
  Tensor first(DType::u8, shape, MemoryKind::other);
  Tensor second(DType::u8, shape, MemoryKind::other);
  infinity::sample_bits(reference, sampling, seed.seed, seed.image, scale, first.view<std::uint8_t>());
  infinity::sample_bits(other, sampling, seed.seed, seed.image, scale, second.view<std::uint8_t>());
  const std::uint8_t* bits = first.view<std::uint8_t>().data();
  std::int64_t same = 0;
  for (std::int64_t i = 0; i < first.elements(); ++i) same += bits[i] == second.view<std::uint8_t>().data()[i] ? 1 : 0;
  return static_cast<double>(same) / static_cast<double>(first.elements());
}

}  // namespace

double bit_divergence(double reference_gap, double gap) {
  const double p = 1.0 / (1.0 + std::exp(-reference_gap));
  const double one = softplus(-gap) - softplus(-reference_gap);  // log(p / q)
  const double zero = softplus(gap) - softplus(reference_gap);   // log((1 - p) / (1 - q))
  return std::max(0.0, p * one + (1.0 - p) * zero);
}

Trace run_traced(const backend::Backend& backend, const infinity::GenerationRequest& request,
                 const engine::Batch& batch) {
  Trace trace;
  engine::Observers observers;
  observers.logits = [&](int, View<const float> logits) {
    Tensor copy(DType::f32, logits.shape(), MemoryKind::other);
    std::copy_n(logits.data(), logits.elements(), copy.view<float>().data());
    trace.logits.push_back(std::move(copy));
  };
  trace.drawn = engine::draw(backend, request, batch, observers);
  return trace;
}

std::vector<Divergence> teacher_forced_divergence(const Trace& reference, const backend::Backend& backend,
                                                  const infinity::GenerationRequest& request, engine::Batch batch) {
  batch.forced = &reference.drawn.bits;
  const Trace other = run_traced(backend, request, batch);
  const std::size_t images = batch.seeds.size();
  std::vector<Divergence> divergences(images);
  for (std::size_t image = 0; image < images; ++image) {
    Divergence& mine = divergences[image];
    double rows = 0.0;
    for (std::size_t scale = 0; scale < reference.logits.size(); ++scale) {
      if (reference.logits[scale].shape() != other.logits[scale].shape()) {
        fail("models of {} and {} logits a scale cannot be compared", reference.logits[scale].shape().to_string(),
             other.logits[scale].shape().to_string());
      }
      const View<const float> p = image_rows(reference.logits[scale], image, images);
      const View<const float> q = image_rows(other.logits[scale], image, images);
      mine.scale_kl.push_back(mean_divergence(p, q));
      mine.scale_agreement.push_back(
          bit_agreement(p, q, request.sampling, batch.seeds[image], static_cast<std::uint32_t>(scale)));
      const auto weight = static_cast<double>(p.size(0));
      mine.kl += weight * mine.scale_kl.back();
      mine.agreement += weight * mine.scale_agreement.back();
      rows += weight;
    }
    mine.kl /= rows;
    mine.agreement /= rows;
  }
  return divergences;
}

}  // namespace scalekv::study
