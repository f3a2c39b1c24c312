// Teacher forcing: how far two ways to compute the same bits are apart, free of the drift that sampling adds. The
// second run is fed the bits of the first at every scale, so that only what it computes differs: the cache policy, the
// weights' precision, the kernel.
#pragma once

#include <vector>

#include "engine/draw.h"

namespace scalekv::study {

// A run with its logits.
struct Trace {
  engine::Drawn drawn;
  std::vector<Tensor> logits;  // per scale [B L, 2 bits], after temperature and guidance, before top-k and top-p
};

Trace run_traced(const backend::Backend& backend, const infinity::GenerationRequest& request,
                 const engine::Batch& batch);

// One image. With p and q the probabilities of a bit in the first and the second run:
struct Divergence {
  // Mean over every bit of every scale of p log(p / q) + (1 - p) log((1 - p) / (1 - q)), in nats. Times the number of
  // bits this is, by the chain rule, the divergence of the second run's pictures from the first's, estimated at one
  // picture.
  double kl = 0.0;
  // Share of the bits that come out the same when both sample with the same random numbers and top-k and top-p.
  double agreement = 0.0;
  std::vector<double> scale_kl, scale_agreement;  // the same of each scale
};

// Runs the request fed with the reference's bits and compares, image by image. Request and batch have the reference's
// schedule, texts and seeds; model and policy may be others. Throws Error where the numbers of bits differ.
std::vector<Divergence> teacher_forced_divergence(const Trace& reference, const backend::Backend& backend,
                                                  const infinity::GenerationRequest& request, engine::Batch batch);

// KL divergence in nats of two bits' probabilities, from the differences of their logits (of 1 and 0).
double bit_divergence(double reference_gap, double gap);

}  // namespace scalekv::study
