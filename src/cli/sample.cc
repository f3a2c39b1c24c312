// scalekv sample: a list of prompts becomes a folder of pictures, on as many processes as there are.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "dataset/picture_list.h"
#include "distributed/crew.h"
#include "distributed/manifest.h"
#include "distributed/run_folder.h"
#include "engine/description.h"
#include "engine/run.h"

namespace scalekv::cli {
namespace {

struct SampleOptions {
  ModelOptions model;
  RequestOptions request;
  std::filesystem::path prompts;
  std::filesystem::path out;
  std::string layout;
  std::string shard = "0/1";
  int count = 0;
  int images_per_prompt = 0;
};

// How far the whole run is: a bar on a terminal, a line now and then in a log.
class RunProgress {
 public:
  RunProgress(const distributed::Crew& crew, bool quiet)
      : crew_(crew), quiet_(quiet || crew.rank() != 0), bar_("sample", quiet_) {}

  // `share`: of the picture that this process is drawing.
  void show(double share) {
    const auto total = static_cast<double>(crew_.total());
    if (quiet_ || total == 0.0) return;
    const auto now = Clock::now();
    const double done = static_cast<double>(crew_.done());
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    const std::string left = done > 0.0 ? fmt::format(", {:.0f} s left", seconds / done * (total - done)) : "";
    const std::string text = fmt::format("{} of {} pictures{}", done, total, left);
    bar_.show(std::min(1.0, (done + share) / total), text);
    if (bar_.shown() || now - last_line_ < std::chrono::seconds(10)) return;
    last_line_ = now;
    fmt::print(stderr, "sample: {}\n", text);
  }

  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

 private:
  using Clock = std::chrono::steady_clock;

  const distributed::Crew& crew_;
  bool quiet_;
  ProgressBar bar_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point last_line_ = begin_;
};

class Sampler {
 public:
  Sampler(SampleOptions options, distributed::Crew& crew)
      : options_(std::move(options)),
        crew_(crew),
        shard_(distributed::parse_shard(options_.shard)),
        folder_(options_.out, shard_, crew.rank()),
        progress_(crew, options_.model.quiet) {}

  void run() {
    agree_on_seed();
    crew_.share({.open = [this] { open(); },
                 .prepare = [this] { return prepare(); },
                 .run = [this](std::uint32_t job) { draw(list_.pictures[job]); },
                 .wait =
                     [this] {
                       progress_.show(0.0);
                       if (ProgressBar::interrupted()) throw Cancelled();
                     }});
    if (crew_.rank() == 0) report();
  }

 private:
  // One that was drawn by chance, each process having drawn its own, and perhaps an earlier run.
  void agree_on_seed() {
    keep_random_seed(options_.request, folder_.recorded());
    const std::uint64_t of_first = crew_.of_first(options_.request.request.seed);
    if (options_.request.random_seed) options_.request.request.seed = of_first;
  }

  void open() {
    request_ = options_.request.parsed();
    std::optional<dataset::Layout> layout;
    if (!options_.layout.empty()) layout = dataset::parse_layout(options_.layout);
    dataset::PromptList list = dataset::read_prompt_list(options_.prompts, layout);
    const bool silent = options_.model.quiet || crew_.rank() != 0;
    take_first(list.prompts, options_.count, options_.prompts.string(), silent);
    layout_ = list.layout;
    list_ = dataset::list_pictures(
        list, {.seed = request_.seed, .images_per_prompt = options_.images_per_prompt, .out = options_.out});
    std::vector<std::string> prompts;
    for (const dataset::Picture& picture : list_.pictures) prompts.push_back(picture.prompt);
    ModelOptions model = options_.model;
    if (model.open.threads == 0) model.open.threads = crew_.processors();
    Request request = request_;
    request.prompt = "any";  // each of the list takes its place
    auto files = model.open_files();
    resolved_ = engine::resolve_request(*files, request);
    model.require_memory(engine::make_question(files, resolved_, prompts));
    if (crew_.rank() == 0) {
      folder_.make();
      locks_ = folder_.lock();
    }
    model_ = engine::load_model(std::move(files));
  }

  std::vector<std::uint32_t> prepare() {
    settings_hash_ = folder_.agree(settings());
    for (const dataset::TextFile& text : list_.texts) {
      const std::filesystem::path path = folder_.picture(text.file);
      if (std::filesystem::exists(path) && read_file(path) == text.text) continue;
      folder_.write(text.file, std::as_bytes(std::span(text.text)));
    }
    std::vector<std::uint32_t> missing = distributed::find_missing(folder_, shard_, list_.pictures);
    missing_ = missing.size();
    // Pictures do not depend on the order; equal prompts after each other are encoded once.
    std::map<std::string_view, std::uint32_t> first;
    for (const std::uint32_t job : missing) first.try_emplace(list_.pictures[job].prompt, job);
    const auto group = [&](std::uint32_t job) { return first.at(list_.pictures[job].prompt); };
    std::ranges::stable_sort(missing, {}, group);
    return missing;
  }

  // What all pictures of the run have in common, and what may not change between two runs in one folder.
  Settings settings() const {
    Settings settings = engine::describe_run(engine::describe_request(*model_, resolved_), *model_);
    settings["layout"] = dataset::layout_name(layout_);
    settings["images_per_prompt"] = fmt::format("{}", list_.images_per_prompt);
    return settings;
  }

  void draw(const dataset::Picture& picture) {
    // Each process compares its own: another machine may have another model under the same name.
    if (settings_hash_.empty()) settings_hash_ = folder_.agree(settings());
    if (!manifest_) manifest_.emplace(folder_.manifest());
    std::vector<Image> images;
    distributed::ManifestEntry entry{.file = picture.file,
                                     .prompt = picture.prompt,
                                     .seeds = picture.seeds,
                                     .settings = settings_hash_,
                                     .sha256 = {}};
    for (const std::uint64_t seed : picture.seeds) {
      const engine::ResolvedRequest request = resolved_.of(picture.prompt, seed);
      Result result = engine::run(*model_, request, [&](const Progress& progress) {
        const double of_image = static_cast<double>(progress.scale) / progress.scales;
        progress_.show((static_cast<double>(images.size()) + of_image) / static_cast<double>(picture.seeds.size()));
        return !ProgressBar::interrupted();
      });
      images.push_back(std::move(result.images.front()));
      entry.seconds += result.statistics.seconds;
      entry.kv_bytes_peak = std::max(entry.kv_bytes_peak, result.statistics.kv_bytes_peak);
      entry.kv_bytes_peak_full = std::max(entry.kv_bytes_peak_full, result.statistics.kv_bytes_peak_full);
    }
    const Image image = dataset::as_grid(std::move(images));
    const engine::ResolvedRequest first = resolved_.of(picture.prompt, picture.seeds.front());
    Settings text = with_parameters(engine::describe_picture(*model_, first), image);
    text["seed"] = fmt::format("{}", fmt::join(picture.seeds, ","));
    const std::vector<std::uint8_t> bytes = image.encode(image_format(picture.file), text);
    folder_.write(picture.file, std::as_bytes(std::span(bytes)));
    entry.sha256 = sha256_of(std::as_bytes(std::span(bytes)));
    manifest_->append(entry);
  }

  void report() const {
    const std::size_t all = (list_.pictures.size() + shard_.count - 1 - shard_.index) / shard_.count;
    const std::size_t kept = all - missing_;
    if (options_.model.json) {
      const nlohmann::json json = {{"out", folder_.out().string()},
                                   {"layout", dataset::layout_name(layout_)},
                                   {"seed", request_.seed},
                                   {"pictures", all},
                                   {"drawn", missing_},
                                   {"kept", kept},
                                   {"processes", crew_.size()},
                                   {"seconds", progress_.seconds()}};
      fmt::print("{}\n", json.dump(2));
    } else if (!options_.model.quiet) {
      fmt::print("{}: {} of {} pictures drawn in {:.1f} s by {} process{}, from seed {} on; {} were there\n",
                 folder_.out().string(), missing_, all, progress_.seconds(), crew_.size(),
                 crew_.size() == 1 ? "" : "es", request_.seed, kept);
    }
  }

  SampleOptions options_;
  distributed::Crew& crew_;
  distributed::Shard shard_;
  distributed::RunFolder folder_;
  RunProgress progress_;
  Request request_;
  dataset::Layout layout_ = dataset::Layout::list;
  dataset::PictureList list_;
  std::vector<distributed::FileLock> locks_;
  engine::ResolvedRequest resolved_;
  std::unique_ptr<engine::Model> model_;
  std::optional<distributed::ManifestWriter> manifest_;
  std::string settings_hash_;
  std::size_t missing_ = 0;
};

void sample(const SampleOptions& options) {
  const std::unique_ptr<distributed::Crew> crew = distributed::join_crew();
  Sampler(options, *crew).run();
}

}  // namespace

void add_sample_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("sample", "draw a list of prompts into a folder, on one process or many");
  auto options = std::make_shared<SampleOptions>();
  options->request.add_to(*command);
  command->remove_option(command->get_option("prompt"));
  command->remove_option(command->get_option("--negative"));  // -n is the number of prompts here
  command
      ->add_option("--prompts", options->prompts,
                   "COCO captions, text, JSON, JSONL, CSV, TSV, or the lists of GenEval, DPG-Bench, HPSv2, ImageReward "
                   "(docs/DATASETS.md)")
      ->type_name("PATH")
      ->required();
  command->add_option("-o,--out", options->out, "folder for the pictures; goes on where it was cut short")
      ->type_name("FOLDER")
      ->required();
  add_number(*command, "-n,--count", options->count, "prompts to take; 0: all", {.least = 0})->capture_default_str();
  command->add_option("--shard", options->shard, "i/n: only every n-th picture, from number i (0 to n-1)")
      ->capture_default_str();
  add_number(*command, "--images-per-prompt", options->images_per_prompt, "0: what the layout asks for", {.least = 0})
      ->capture_default_str();
  command
      ->add_option("--layout", options->layout,
                   "list, coco, geneval, dpg, hpsv2 or imagereward; default: told by the file")
      ->type_name("LAYOUT");
  command->add_option("--negative", options->request.request.negative_prompt, "what not to draw")->group("Picture");
  options->model.add_to(*command);
  command->footer(
      "Picture j of prompt i has seed `--seed + i x images per prompt + j`; its bytes do not depend on the number of "
      "processes.\nExamples:\n"
      "  scalekv sample --prompts captions_val2017.json -n 5000 --policy full --out full\n"
      "  mpirun -n 8 scalekv sample --prompts captions_val2017.json --policy scalekv --budget 10% --out scalekv-10");
  command->callback([options] { sample(*options); });
}

}  // namespace scalekv::cli
