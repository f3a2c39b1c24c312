// scalekv reconstruct: image -> bits -> image, what the tokenizer keeps of a picture.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "checkpoint/sha256.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "core/file.h"
#include "pipeline/description.h"
#include "pipeline/fingerprint.h"

namespace scalekv::cli {
namespace {

struct ReconstructOptions {
  ModelOptions model;
  std::filesystem::path in;
  std::filesystem::path out = "reconstructed.png";
  std::string size;
};

// What the picture depends on.
Settings describe(const ReconstructOptions& options, const ModelFacts& model) {
  Settings text = pipeline::describe_origin(pipeline::model_fingerprint(options.model.model, options.model.open));
  const std::string bytes = read_file(options.in);
  text["model"] = model.name;
  text["size"] = options.size.empty() ? model.default_size : options.size;
  text["reconstruction_of"] = options.in.filename().string();
  text["reconstruction_of_sha256"] = checkpoint::sha256_of(std::as_bytes(std::span(bytes)));
  return text;
}

void reconstruct(const ReconstructOptions& options) {
  check_writable(options.out);
  const Image image = Image::read(options.in);
  Pipeline pipeline = options.model.open_pipeline();
  const Image again = pipeline.reconstruct(image, options.size);
  again.write_png(options.out, describe(options, pipeline.facts()));
  if (options.model.json) {
    const nlohmann::json report = {{"file", options.out.string()}, {"width", again.width}, {"height", again.height}};
    fmt::print("{}\n", report.dump(2));
  } else if (!options.model.quiet) {
    fmt::print("{}\n{}x{} pixels from {}x{}\n", options.out.string(), again.width, again.height, image.width,
               image.height);
  }
}

}  // namespace

void add_reconstruct_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("reconstruct", "turn a picture into the model's bits and back");
  auto options = std::make_shared<ReconstructOptions>();
  command->add_option("image", options->in, "PNG or JPEG file")->required();
  command->add_option("-o,--out", options->out, "PNG file")->capture_default_str();
  command->add_option("--size", options->size, "0.06M, 0.25M, 0.60M or 1M; default: the model's");
  options->model.add_to(*command);
  command->callback([options] { reconstruct(*options); });
}

}  // namespace scalekv::cli
