// Cache policies side by side: every policy and budget draws the same prompts from the same seeds as the full cache
// does, and is measured against it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/resolved_request.h"
#include "engine/text_room.h"
#include "shapes/shapes_judge.h"
#include "study/teacher_forcing.h"

namespace scalekv::study {

struct PolicySetting {
  std::string policy;
  double budget = 1.0;  // share of the full history

  bool operator==(const PolicySetting&) const = default;
};

// The request with a setting's policy and budget in place of its own.
Request with_setting(Request request, const PolicySetting& setting);

// By policy and budget.
using ResolvedSettings = std::map<std::pair<std::string, double>, engine::ResolvedRequest>;

// What is drawn: a list of prompts, with what the judge of the shapes world has to know where it is such a list.
struct EvaluationPrompts {
  std::vector<std::string> prompts;
  std::vector<shapes::ShapesCaption> captions;  // empty, or one for each prompt

  // For each prompt the SHA-256 of what its samples depend on: its text, and what the judge expects.
  std::vector<std::string> sha256() const;
  // The prompts in the order in which they are drawn: the first comes again, for its tokens (draw_tokens).
  engine::TextList drawn() const;
};

// Captions of the shapes world where the first line has "objects" (tools/README.md), else as dataset::read_prompts.
EvaluationPrompts read_evaluation_prompts(const std::filesystem::path& path);

// One prompt under one policy and budget.
struct Sample {
  PolicySetting setting;
  std::size_t prompt = 0;
  double psnr = 0.0;  // of the picture that the policy draws from the same seed, against the full cache's
  double ssim = 0.0;
  Divergence divergence;      // teacher-forced
  std::optional<bool> right;  // what the judge says, in the shapes world
  double seconds = 0.0;       // the transformer, all scales
};

// PSNR as it is averaged: of equal pictures it is infinite, and counts as that of pictures that differ by one level of
// one channel of one pixel.
double finite_psnr(const Image& a, const Image& b);

// What the cache of one setting takes, the same for every prompt.
struct SettingBytes {
  std::int64_t peak = 0;         // keys and values of one image (both guidance halves) at the worst moment
  double share = 0.0;            // of the full cache's peak
  double paper_megabytes = 0.0;  // the paper's accounting: what the last scale finds, 16 sequences, 4 + 2 bytes
};

class Evaluation {
 public:
  // request: what all pictures have in common; prompt i is drawn with its seed + i. The model must outlive this.
  // resolved: settings of that request that were resolved before, with any prompt.
  Evaluation(engine::Model& model, Request request, EvaluationPrompts prompts, ResolvedSettings resolved = {});

  const EvaluationPrompts& prompts() const { return prompts_; }
  // The policy that a setting chooses: for "auto" another one.
  std::string policy_name(const PolicySetting& setting) const;
  SettingBytes bytes(const PolicySetting& setting) const;
  // The most bytes taken beside those that drawing a picture takes: logits and bits of the full cache's run and of a
  // policy's.
  static std::int64_t held_bytes(const model::InfinityConfig& config, const infinity::Schedule& schedule);
  // Draws prompt number `prompt` with the full cache, then under every setting, and gives each result to `done` with
  // its picture, the full cache's first.
  using Done = std::function<void(Sample sample, const Image& image)>;
  void run(std::size_t prompt, const std::vector<PolicySetting>& settings, const Done& done) const;
  // Which tokens every layer and head holds for the last scale, drawn over the first prompt's picture
  // (study/token_map.h).
  Image draw_tokens(const PolicySetting& setting) const;

  // What is drawn of a prompt under a setting.
  engine::ResolvedRequest request_of(const PolicySetting& setting, std::size_t prompt) const;

 private:
  // Of the first prompt; resolved when a setting is first asked for.
  const engine::ResolvedRequest& resolved(const PolicySetting& setting) const;
  // text: the number of a prompt, or behind the last one the first again.
  engine::Batch batch_of(std::size_t text) const;

  engine::Model& model_;
  Request request_;
  EvaluationPrompts prompts_;
  engine::TextList texts_;
  mutable ResolvedSettings resolved_;
};

}  // namespace scalekv::study
