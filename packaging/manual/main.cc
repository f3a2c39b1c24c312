// scalekv_manual PAGE.in DATE FOLDER: writes scalekv.1, scalekv.bash, _scalekv and scalekv.fish from the program's own
// commands and options. A part of the build; not installed.
#include <fmt/format.h>

#include <exception>
#include <filesystem>

#include "base/file.h"
#include "cli/program.h"
#include "scalekv/version.h"
#include "writers.h"

namespace {

void write_all(const std::filesystem::path& page, const std::string& date, const std::filesystem::path& folder) {
  namespace manual = scalekv::manual;
  const auto app = scalekv::cli::make_program();
  const manual::Program program = manual::read_program(*app);
  const std::string title =
      fmt::format(".TH SCALEKV 1 {} \"scalekv {}\" \"User Commands\"\n", date, scalekv::version());
  scalekv::write_file(folder / "scalekv.1", title + manual::man_page(program, scalekv::read_file(page)));
  scalekv::write_file(folder / "scalekv.bash", manual::bash_completion(program));
  scalekv::write_file(folder / "_scalekv", manual::zsh_completion(program));
  scalekv::write_file(folder / "scalekv.fish", manual::fish_completion(program));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: scalekv_manual PAGE.in DATE FOLDER\n");
    return 2;
  }
  try {
    write_all(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "scalekv_manual: {}\n", error.what());
    return 1;
  }
  return 0;
}
