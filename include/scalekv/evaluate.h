// Cache policies side by side, each held against the full cache on the same prompts and seeds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "scalekv/api.h"
#include "scalekv/pipeline.h"

namespace scalekv {

// A mean over pictures, and the interval of it that resampling them gives in 95 of 100 cases.
struct Estimate {
  double mean = 0.0, low = 0.0, high = 0.0;
};

// One policy with one budget.
struct EvaluationRow {
  std::string policy;
  double budget = 1.0;           // share of the full history, in (0, 1]
  std::int64_t kv_bytes = 0;     // peak of keys and values of one picture, both halves of the guidance
  double kv_share = 0.0;         // of the full cache's peak
  double paper_megabytes = 0.0;  // as the paper counts them
  std::size_t images = 0;
  // Of pictures against the full cache's: PSNR in dB, SSIM up to 1; of the next bits, given the full cache's: the
  // divergence (nats a bit) and the share that would be drawn alike; seconds of the transformer.
  Estimate psnr, ssim, kl, bit_agreement, seconds;
  std::optional<Estimate> shapes_score;  // share of pictures that show what a caption of the shapes world asks for
  std::vector<double> scale_kl, scale_bit_agreement;  // by scale
};

struct EvaluateOptions {
  std::vector<std::string> policies = {};  // empty: all
  std::vector<double> budgets = {0.20, 0.10, 0.04, 0.02, 0.01};
  // The results as JSON, CSV, Markdown and HTML, the pictures, and the log by which an evaluation that was cut short
  // goes on.
  std::filesystem::path out = "evaluation";
  int strips = 4;      // of so many prompts pictures are kept and shown
  bool fresh = false;  // begin anew, whatever the folder holds
};

// Draws prompt i with the request's seed + i under every policy and budget, twice: freely, and given the full cache's
// bits. Throws UsageError where options do not fit each other, Error where the folder holds another evaluation or
// memory does not suffice.
SCALEKV_API std::vector<EvaluationRow> evaluate(Pipeline& pipeline, const Request& request,
                                                const std::vector<std::string>& prompts,
                                                const EvaluateOptions& options = {}, const WorkCallback& progress = {});

}  // namespace scalekv
