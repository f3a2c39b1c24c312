// scalekv reconstruct: image -> bits -> image, what the tokenizer keeps of a picture.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/options.h"

namespace scalekv::cli {
namespace {

struct ReconstructOptions {
  ModelOptions model;
  std::filesystem::path in;
  std::filesystem::path out = "reconstructed.png";
  std::string size;
};

void reconstruct(const ReconstructOptions& options) {
  check_writable(options.out);
  const Image image = Image::read(options.in);
  const OpenOptions open = options.model.checked();
  options.model.require_memory(pipeline::make_reconstruction_question(options.model.model, open, image, options.size));
  Pipeline pipeline = Pipeline::open(options.model.model, open);
  const Image again = pipeline.reconstruct(image, options.size);
  again.write_png(options.out, {{"Software", "scalekv"}, {"reconstruction_of", options.in.filename().string()}});
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
  // Random models have no encoder for pictures, and no text is encoded.
  for (const char* unused : {"--arch", "--random", "--keep-text-encoder"}) {
    command->remove_option(command->get_option(unused));
  }
  command->callback([options] { reconstruct(*options); });
}

}  // namespace scalekv::cli
