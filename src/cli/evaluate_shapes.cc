// scalekv evaluate-shapes: does the model draw what it is asked to, in the shapes world?
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/numbers.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "engine/description.h"
#include "engine/run.h"
#include "shapes/shapes_judge.h"

namespace scalekv::cli {
namespace {

struct EvaluateShapesOptions {
  ModelOptions model;
  RequestOptions request;
  std::filesystem::path captions;
  std::filesystem::path images;
  std::filesystem::path out;
  int count = 0;
  bool faults = false;
};

// The picture of caption number `index` in a folder: the one that the captions file names, or NNNNN.png.
std::filesystem::path picture_path(const std::filesystem::path& folder, const shapes::ShapesCaption& caption,
                                   std::size_t index) {
  return folder / (caption.image.empty() ? fmt::format("{:05}.png", index) : caption.image);
}

class Evaluation {
 public:
  Evaluation(const EvaluateShapesOptions& options, std::vector<shapes::ShapesCaption> captions)
      : options_(options), captions_(std::move(captions)) {}

  void judge_folder() {
    for (std::size_t i = 0; i < captions_.size(); ++i)
      judge(i, Image::read(picture_path(options_.images, captions_[i], i)));
  }

  // One picture a caption; caption i draws with seed + i.
  void judge_model() {
    Request request = options_.request.parsed();
    check_seeds(request.seed, captions_.size());
    std::vector<std::string> prompts;
    for (const shapes::ShapesCaption& caption : captions_) prompts.push_back(caption.prompt);
    request.prompt = "any";
    auto files = options_.model.open_files();
    const engine::ResolvedRequest resolved = engine::resolve_request(*files, request);
    options_.model.require_memory(engine::make_question(files, resolved, prompts));
    const auto model = engine::load_model(std::move(files));
    if (!options_.out.empty()) {
      std::error_code failed;
      std::filesystem::create_directories(options_.out, failed);
      if (failed) fail("{} cannot be made: {}", options_.out.string(), failed.message());
    }
    ProgressBar bar("evaluate-shapes", options_.model.quiet);
    const std::uint64_t seed = request.seed;
    drawn_from_ = seed;
    for (std::size_t i = 0; i < captions_.size(); ++i) {
      bar.show(static_cast<double>(i) / static_cast<double>(captions_.size()), captions_[i].prompt);
      const engine::ResolvedRequest one = resolved.of(captions_[i].prompt, seed + i);
      const Image image = std::move(engine::run(*model, one, bar.callback()).images.front());
      if (!options_.out.empty()) {
        const Settings text = with_parameters(engine::describe_picture(*model, one), image);
        image.write(options_.out / fmt::format("{:05}.png", i), text);
      }
      judge(i, image);
    }
  }

  void print() const {
    nlohmann::ordered_json scores = score_.to_json();
    if (drawn_from_) scores["seed"] = *drawn_from_;
    if (options_.model.json) {
      if (options_.faults) scores["faults"] = faults_;
      fmt::print("{}\n", scores.dump(2));
      return;
    }
    if (options_.model.quiet) return;
    for (const std::string& fault : faults_) fmt::print("{}\n", fault);
    for (const auto& [name, value] : scores.items()) {
      fmt::print("{:<20} {}\n", name,
                 value.is_number_float() ? fmt::format("{:.3f}", value.get<double>()) : value.dump());
    }
  }

 private:
  void judge(std::size_t index, const Image& image) {
    const shapes::ShapesCaption& caption = captions_[index];
    const shapes::FoundScene scene = shapes::find_objects(image);
    const std::string fault = shapes::find_fault(caption, scene);
    score_.add(caption, fault.empty());
    if (options_.faults && !fault.empty()) {
      faults_.push_back(fmt::format("{:05} \"{}\": {} ({})", index, caption.prompt, fault, scene.describe()));
    }
  }

  const EvaluateShapesOptions& options_;
  std::vector<shapes::ShapesCaption> captions_;
  shapes::ShapesScore score_;
  std::vector<std::string> faults_;
  std::optional<std::uint64_t> drawn_from_;  // the seed of the first picture
};

// Pictures that are there are judged, not drawn: what says how to draw would not act.
void check_judges_only(const CLI::App& command) {
  constexpr std::array<std::string_view, 6> kJudging = {"captions", "images", "count", "faults", "json", "quiet"};
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name().substr(2);
    if (option->count() == 0 || std::find(kJudging.begin(), kJudging.end(), name) != kJudging.end()) continue;
    fail_usage("--{} is for pictures that are drawn, and --images judges those of a folder; leave out one of them",
               name);
  }
}

void evaluate_shapes(const EvaluateShapesOptions& options, const CLI::App& command) {
  if (!options.images.empty()) check_judges_only(command);
  std::vector<shapes::ShapesCaption> captions = shapes::read_shapes_captions(options.captions);
  take_first(captions, options.count, options.captions.string(), options.model.quiet);
  Evaluation evaluation(options, std::move(captions));
  options.images.empty() ? evaluation.judge_model() : evaluation.judge_folder();
  evaluation.print();
}

}  // namespace

void add_evaluate_shapes_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("evaluate-shapes", "how often pictures of the shapes world follow their captions");
  auto options = std::make_shared<EvaluateShapesOptions>();
  options->request.add_to(*command);
  // Captions are the prompts, and nothing is unwanted in them.
  command->remove_option(command->get_option("prompt"));
  command->remove_option(command->get_option("--negative"));
  command->add_option("--captions", options->captions, "captions, one JSON object a line (tools/README.md)")
      ->type_name("FILE")
      ->required();
  command->add_option("--images", options->images, "judge the pictures of this folder instead of drawing")
      ->type_name("FOLDER");
  add_number(*command, "-n,--count", options->count, "captions to take; 0: all", {.least = 0})->capture_default_str();
  command->add_option("-o,--out", options->out, "folder to keep what was drawn in")->type_name("FOLDER");
  command->add_flag("--faults", options->faults, "say what is wrong with every wrong picture");
  options->model.add_to(*command);
  command->footer(
      "Example: scalekv evaluate-shapes --captions models/shapes-test-captions.jsonl -n 50 --policy full --json");
  command->callback([options, command] { evaluate_shapes(*options, *command); });
}

}  // namespace scalekv::cli
