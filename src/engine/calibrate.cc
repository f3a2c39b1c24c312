#include "engine/calibrate.h"

#include <algorithm>
#include <filesystem>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "base/numbers.h"
#include "cache/budget_file.h"
#include "engine/description.h"
#include "engine/memory_plan.h"
#include "engine/pipeline_access.h"
#include "engine/run.h"

namespace scalekv::engine {
namespace {

// Goes on with a calibration that was cut short, of the same prompts with the same settings; starts anew where there is
// none.
cache::Calibration open_calibration(Model& model, const ResolvedRequest& request, std::span<const std::string> prompts,
                                    const CalibrateOptions& options) {
  cache::Calibration fresh = empty_calibration(model, request);
  fresh.settings = describe_run(std::move(fresh.settings), model);
  if (options.fresh || !std::filesystem::exists(options.out)) return fresh;
  cache::Calibration found = cache::read_calibration(options.out);
  const auto refuse = [&](const std::string& reason) {
    fail("{} {}; name another file with `out`, or begin `fresh`", options.out.string(), reason);
  };
  if (found.settings.empty()) refuse("does not say how it was measured, so nothing can be added to it");
  const std::string different = differences(found.settings, fresh.settings);
  if (!different.empty()) refuse(fmt::format("was measured with other settings ({})", different));
  if (!(found.statistics.geometry() == fresh.statistics.geometry())) refuse("is of a model of other sizes");
  const auto done = static_cast<std::size_t>(found.prompts);
  if (done > prompts.size()) refuse(fmt::format("is of {} prompts already, not of {}", done, prompts.size()));
  if (found.prompts_sha256 != cache::prompts_sha256(prompts.first(done))) {
    refuse("was measured on other prompts than these");
  }
  return found;
}

// The selectivity of single heads, averaged over the scales that have a history: [layer][head].
std::vector<std::vector<double>> head_selectivity(const cache::AttentionStatistics& statistics) {
  const cache::CacheGeometry& geometry = statistics.geometry();
  std::vector<std::vector<double>> cells(static_cast<std::size_t>(geometry.layers));
  for (int layer = 0; layer < geometry.layers; ++layer) {
    for (int head = 0; head < geometry.heads; ++head) {
      double sum = 0.0;
      for (int scale = 1; scale < geometry.scale_count(); ++scale) {
        const cache::HeadStatistics means = statistics.at(scale, layer, head);
        sum += means.current_share * means.concentration;
      }
      cells[static_cast<std::size_t>(layer)].push_back(sum / std::max(1, geometry.scale_count() - 1));
    }
  }
  return cells;
}

Calibration report(const cache::Calibration& calibration) {
  const cache::AttentionStatistics& statistics = calibration.statistics;
  return {.model = calibration.model,
          .prompts = calibration.prompts,
          .drafters = cache::find_drafters(statistics, cache::drafter_count(statistics.geometry().layers)),
          .selectivity = cache::attention_selectivity(statistics),
          .head_selectivity = head_selectivity(statistics)};
}

// What a calibration of these prompts takes at its worst moment; nothing is decoded.
std::int64_t calibration_peak(const Model& model, const ResolvedRequest& request,
                              const std::vector<std::string>& prompts) {
  TextLengths longest{.held = TextList(prompts).held_tokens(*model.tokenizer)};
  for (const std::string& prompt : prompts) longest.prompt = std::max(longest.prompt, model.tokenizer->count(prompt));
  const MemoryPlan plan = plan_memory(*model.backend, model.sizes, request, longest, model.options.keep_text_encoder);
  return std::max(plan.encoding, plan.drawing);
}

}  // namespace

Request calibration_request(Request request) {
  request.cache = {.policy = cache::kFullPolicy};
  if (request.prompt.empty()) request.prompt = "a prompt";  // each of the list takes its place
  return request;
}

cache::Calibration empty_calibration(const Model& model, const ResolvedRequest& request) {
  return {.model = model.sizes.name,
          .prompts = 0,
          .statistics = cache::AttentionStatistics(
              infinity::cache_geometry(model.sizes.transformer, request.generation.schedule)),
          .settings = describe_request(model, request),
          .prompts_sha256 = cache::prompts_sha256({})};
}

void calibrate(Model& model, const ResolvedRequest& request, const std::vector<std::string>& prompts,
               cache::Calibration& calibration, const std::function<bool()>& done) {
  Observers observers;
  observers.session.attention = [&](int scale, int layer, std::span<const kernels::AttentionHead> work) {
    calibration.statistics.add(scale, layer, work);
  };
  const TextList texts(prompts);
  for (auto i = static_cast<std::size_t>(calibration.prompts); i < prompts.size(); ++i) {
    const View<const float> text = encode_texts(model, texts.wanted(i)).front();
    draw(*model.backend, request.generation, batch_of(text, {}, {request.request.seed + i, 0}), observers);
    ++calibration.prompts;
    calibration.prompts_sha256 = cache::prompts_sha256(std::span(prompts).first(i + 1));
    if (!done()) throw Cancelled();
  }
}

void check_calibration(const CalibrateOptions& options, const Request& request, std::size_t prompts) {
  if (prompts == 0) fail_usage("there are no prompts; say what to draw");
  check_seeds(request.seed, prompts);
  if (options.policy.empty()) return;
  if (options.published && cache::allocation(options.policy) != cache::Allocation::capacities) {
    fail_usage("the shape of the ScaleKV repository has room for scalekv's budgets only; leave out `published`");
  }
  cache::check_policy_request({.name = options.policy, .share = options.budget});
}

Calibration calibrate(Model& model, const ResolvedRequest& request, const std::vector<std::string>& prompts,
                      const CalibrateOptions& options, const WorkCallback& progress) {
  const auto calibration = std::make_shared<cache::Calibration>(open_calibration(model, request, prompts, options));
  calibrate(model, request, prompts, *calibration, [&] {
    const std::string json = cache::to_json(*calibration);
    write_file(options.out, json);
    // Goes on with what the file says, so that a run that is cut short ends with the same bytes as one that is not.
    *calibration = cache::parse_calibration(json, options.out.string());
    const auto done = static_cast<std::size_t>(calibration->prompts);
    return !progress || progress(static_cast<double>(done) / static_cast<double>(prompts.size()), prompts[done - 1]);
  });
  if (!options.policy.empty()) {
    const cache::BudgetFile budgets =
        cache::allocate({.name = options.policy, .share = options.budget, .calibration = calibration},
                        calibration->statistics.geometry(), calibration->model);
    write_file(options.budgets, options.published ? cache::to_published_json(budgets) : cache::to_json(budgets));
  }
  return report(*calibration);
}

}  // namespace scalekv::engine

namespace scalekv {

Calibration calibrate(Pipeline& pipeline, const Request& request, const std::vector<std::string>& prompts,
                      const CalibrateOptions& options, const WorkCallback& progress) {
  const Runtime::Scope scope(PipelineAccess::runtime(pipeline));
  engine::Model& model = PipelineAccess::model(pipeline);
  engine::check_calibration(options, request, prompts.size());
  const engine::ResolvedRequest resolved = engine::resolve_calibration(model, request);
  const engine::MemoryClaim claim =
      engine::claim_memory(engine::calibration_peak(model, resolved, prompts), model.options, [&] {
        auto question = engine::make_question(engine::files_of(model), resolved, prompts);
        question.texts.held = engine::TextList(prompts).held_tokens(*model.tokenizer);
        question.decode = false;
        return question;
      });
  return engine::calibrate(model, resolved, prompts, options, progress);
}

}  // namespace scalekv
