// What a program outside this project needs: the public header and scalekv::scalekv.
#include <scalekv/scalekv.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "consumer: %s does not hold\n", what);
  std::exit(1);
}

// Threads that the program's own OpenMP would start, where it has one.
int own_threads() {
  int threads = 0;
#ifdef _OPENMP
#pragma omp parallel reduction(+ : threads)
  threads += 1;
#endif
  return threads;
}

void draw_one(scalekv::Pipeline& pipeline, const std::string& file) {
  const scalekv::Request request{.prompt = "a red circle", .seed = 7, .cache = {.policy = "scalekv", .budget = 0.10}};
  const scalekv::Image image = pipeline.generate(request, [](const scalekv::Progress&) { return true; });
  image.write(file, scalekv::with_parameters(pipeline.describe(request), image));
  std::printf("%lldx%lld\n", static_cast<long long>(image.width), static_cast<long long>(image.height));
}

// Requests of several people, drawn together; each sees its picture grow, and may be stopped.
void draw_together(scalekv::Pipeline& pipeline) {
  const std::vector<scalekv::Prompt> prompts = {{.text = "a red circle", .seed = 7}, {.text = "two stars", .seed = 3}};
  int previews = 0;
  const scalekv::Result result = pipeline.run(
      {.batch = 2}, prompts, [](const scalekv::Progress& progress) { return progress.scale <= progress.scales; },
      {.show = [&](const scalekv::Preview& preview) { previews += preview.picture.width > 0 ? 1 : 0; }, .pixels = 64});
  expect(result.images.size() == 2 && previews > 0, "two pictures and their previews");
  expect(result.images.front() == pipeline.generate({.prompt = "a red circle", .seed = 7}),
         "neighbours change nothing");
  const std::vector<std::uint8_t> bytes = result.images.front().encode(scalekv::ImageFormat::webp);
  expect(!bytes.empty(), "a picture in memory");
  bool stopped = false;
  try {
    pipeline.run({.batch = 2}, prompts, [](const scalekv::Progress&) { return false; });
  } catch (const scalekv::Cancelled&) {
    stopped = true;
  }
  expect(stopped, "a run that is told to stop");
}

// Before anything is loaded: does it fit, and if not, what would?
void plan_ahead() {
  const scalekv::OpenOptions options{
      .weights = "int8", .random_architecture = "infinity-8b", .memory_limit = 14'000'000'000};
  const scalekv::Plan plan = scalekv::plan({}, options, {.images = 4, .batch = 4}, 32);
  expect(!plan.fits() && !plan.would_fit.empty(), "advice on a request that is too large");
  expect(plan.kv_bytes < plan.kv_bytes_full, "a cache that is held small");
}

void study(scalekv::Pipeline& pipeline, const std::filesystem::path& folder) {
  const std::vector<std::string> prompts = {"a red circle"};
  const scalekv::Calibration found = scalekv::calibrate(
      pipeline, {}, prompts,
      {.out = folder / "calibration.json", .policy = "adaptive", .budget = 0.04, .budgets = folder / "budgets.json"});
  expect(found.prompts == 1 && !found.drafters.empty(), "a calibration");
  const auto rows = scalekv::evaluate(
      pipeline, {}, prompts, {.policies = {"full", "scalekv"}, .budgets = {0.10}, .out = folder / "evaluation"});
  expect(rows.size() == 2 && rows.back().kv_share < 1.0 && rows.back().kl.mean > 0.0, "an evaluation");
}

void look_at_files(const std::filesystem::path& model, const std::filesystem::path& folder) {
  const scalekv::Conversion made =
      scalekv::convert({.model = model, .weights = "int8", .encoder = false}, folder / "small.safetensors");
  const scalekv::Inspection found = scalekv::inspect(folder / "small.safetensors", {.check = true});
  expect(std::ssize(found.tensors) == made.tensors && found.whole.size() == 3, "a whole model");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    const int threads = own_threads();
    scalekv::Pipeline pipeline = scalekv::Pipeline::open();
    draw_one(pipeline, argv[1]);
    expect(own_threads() == threads, "the program has the threads it had");
    draw_together(pipeline);
    plan_ahead();
    study(pipeline, argv[2]);
    look_at_files(argv[3], argv[2]);
    expect(scalekv::policies().size() > 5 && scalekv::sizes().size() == 4 && !scalekv::devices().empty(), "lists");
  } catch (const scalekv::Error& error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 1;
  }
}
