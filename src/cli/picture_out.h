// Where a command's picture goes: a file whose name says its format, or standard output.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "scalekv/image.h"

namespace scalekv::cli {

class PictureOut {
 public:
  explicit PictureOut(std::filesystem::path name) : name_(std::move(name)) {}

  // Adds -o, --format and --quality. `more` is said of the name in --help.
  void add_to(CLI::App& command, const std::string& more = "");

  // Throws UsageError or Error now, before any work, where so many pictures could not be written.
  void check(int images) const;
  // Writes picture number `index` of so many; returns the file's name, "-" for standard output.
  std::string write(const Image& image, int index, int images, const std::map<std::string, std::string>& text) const;
  // Where reports go: standard output, unless the picture goes there.
  std::FILE* reports() const { return to_standard_output() ? stderr : stdout; }

 private:
  bool to_standard_output() const { return name_ == "-"; }
  ImageFormat format() const;
  // ring.png, or ring-0.png, ring-1.png ... where there are several.
  std::filesystem::path file(int index, int images) const;

  std::filesystem::path name_;
  std::string format_ = "png";  // of standard output
  CLI::Option* format_given_ = nullptr;
  int quality_ = 0;  // 0: the format's own
};

}  // namespace scalekv::cli
