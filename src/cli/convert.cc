// scalekv convert: published files become one model file.
#include "scalekv/convert.h"

#include <fmt/format.h>

#include <memory>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "scalekv/policies.h"

namespace scalekv::cli {
namespace {

struct ConvertCommand {
  ConvertOptions convert;
  std::filesystem::path out;
  bool no_encoder = false;
  bool quiet = false;
};

void convert(ConvertCommand options) {
  check_writable(options.out);
  options.convert.encoder = !options.no_encoder;
  Conversion done;
  {
    ProgressBar bar("converting", options.quiet);
    done = scalekv::convert(options.convert, options.out, bar.work());
  }
  if (options.quiet) return;
  fmt::print("{}\n{}: {} tensors, {} MiB\n", options.out.string(), done.name, done.tensors, done.bytes >> 20);
}

}  // namespace

void add_convert_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("convert", "make one model file of published checkpoints");
  auto options = std::make_shared<ConvertCommand>();
  command->add_option("--transformer", options->convert.transformer, "Infinity's .pth file, or a folder of shards")
      ->type_name("PATH");
  command->add_option("--vae", options->convert.vae, "the VAE's .pth file")->type_name("FILE");
  command->add_option("--text-encoder", options->convert.text_encoder, "folder of flan-t5-xl, with spiece.model")
      ->type_name("FOLDER");
  command
      ->add_option("--model", options->convert.model, "model file to start from; the options above replace its parts")
      ->type_name("FILE");
  command->add_flag("--ema", options->convert.ema,
                    "the averaged weights (EMA) of a training checkpoint, in place of those that the last step left");
  command->add_option("-o,--out", options->out, "model file to write (.safetensors)")->type_name("FILE")->required();
  command->add_option("--weights,--dtype", options->convert.weights, "type of the matrices")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"bf16", "f32", "int8"}))
      ->capture_default_str();
  command->add_flag("--no-encoder", options->no_encoder, "leave out the VAE's encoder, which only reconstruct needs");
  command->add_option("--name", options->convert.name, "name of the model; known ones are recognised by their sizes");
  command->add_option("--default-size", options->convert.default_size, "size it draws unless told otherwise")
      ->type_name("SIZE")
      ->check(CLI::IsMember(sizes()));
  add_number(*command, "--default-cfg", options->convert.default_cfg, "guidance it uses unless told otherwise",
             {.least = 0.0});
  add_number(*command, "--default-tau", options->convert.default_tau, "temperature it uses unless told otherwise",
             {.least = 0.001});
  command->add_flag("-q,--quiet", options->quiet, "print nothing but errors");
  command->footer(
      "A calibration beside the model (NAME.calibration.json) becomes part of the file.\n"
      "Example: scalekv convert --transformer infinity_2b_reg.pth --vae infinity_vae_d32reg.pth \\\n"
      "           --text-encoder flan-t5-xl -o infinity-2b-bf16.safetensors");
  command->callback([options] { convert(*options); });
}

}  // namespace scalekv::cli
