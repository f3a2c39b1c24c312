// scalekv reconstruct: image -> bits -> image, what the tokenizer keeps of a picture.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "base/file.h"
#include "base/sha256.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/picture_out.h"
#include "engine/description.h"
#include "engine/run.h"

namespace scalekv::cli {
namespace {

struct ReconstructOptions {
  ModelOptions model;
  std::filesystem::path in;
  PictureOut out{"reconstructed.png"};
  std::string size;
};

// What the picture depends on.
Settings describe(const ReconstructOptions& options, engine::Model& model) {
  Settings text = engine::describe_origin(model);
  const std::string bytes = read_file(options.in);
  text["model"] = model.sizes.name;
  text["size"] = options.size.empty() ? model.sizes.defaults.size : options.size;
  text["reconstruction_of"] = options.in.filename().string();
  text["reconstruction_of_sha256"] = sha256_of(std::as_bytes(std::span(bytes)));
  return text;
}

void reconstruct(const ReconstructOptions& options) {
  options.out.check(1);
  const Image image = Image::read(options.in, Orientation::upright);
  auto files = options.model.open_files();
  options.model.require_memory(engine::make_reconstruction_question(files, image, options.size));
  const auto model = engine::load_model(std::move(files));
  const Image again = engine::reconstruct(*model, image, options.size);
  const std::string file = options.out.write(again, 0, 1, describe(options, *model));
  if (options.model.json) {
    const nlohmann::json report = {{"file", file}, {"width", again.width}, {"height", again.height}};
    fmt::print(options.out.reports(), "{}\n", report.dump(2));
  } else if (!options.model.quiet) {
    fmt::print(options.out.reports(), "{}\n{}x{} pixels from {}x{}\n", file, again.width, again.height, image.width,
               image.height);
  }
}

}  // namespace

void add_reconstruct_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("reconstruct", "turn a picture into the model's bits and back");
  auto options = std::make_shared<ReconstructOptions>();
  command->add_option("image", options->in, "PNG, JPEG or WebP file, shown as its EXIF orientation says")
      ->type_name("FILE")
      ->required();
  options->out.add_to(*command);
  command->add_option("--size", options->size, "0.06M, 0.25M, 0.60M or 1M; default: the model's")->type_name("SIZE");
  options->model.add_to(*command);
  // Random models have no encoder for pictures, and no text is encoded.
  for (const char* unused : {"--arch", "--random", "--keep-text-encoder"}) {
    command->remove_option(command->get_option(unused));
  }
  command->footer("Example: scalekv reconstruct photo.jpg -o again.png");
  command->callback([options] { reconstruct(*options); });
}

}  // namespace scalekv::cli
