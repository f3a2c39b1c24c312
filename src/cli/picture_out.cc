#include "cli/picture_out.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "cli/options.h"

namespace scalekv::cli {
namespace {

void write_to_standard_output(const std::vector<std::uint8_t>& bytes) {
  errno = 0;
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() && std::fflush(stdout) == 0;
  if (!written) fail("the picture cannot be written to standard output: {}", std::strerror(errno));
}

}  // namespace

void PictureOut::add_to(CLI::App& command, const std::string& more) {
  command
      .add_option(
          "-o,--out", name_,
          fmt::format("picture file: .png, .jpg, .jpeg or .webp{}; -: standard output, all reports then going to "
                      "standard error",
                      more))
      ->type_name("FILE")
      ->capture_default_str();
  format_given_ = command.add_option("--format", format_, "with -o -: png, jpg or webp")
                      ->type_name("FORMAT")
                      ->capture_default_str()
                      ->check(CLI::IsMember({"png", "jpg", "jpeg", "webp"}));
  add_number(command, "--quality", quality_, "of JPEG (default: 95) and WebP (default: 90), 1 to 100; PNG has none",
             {1, 100});
}

ImageFormat PictureOut::format() const {
  return image_format(to_standard_output() ? std::filesystem::path("picture." + format_) : name_);
}

std::filesystem::path PictureOut::file(int index, int images) const {
  if (images == 1) return name_;
  std::filesystem::path path = name_;
  path.replace_filename(fmt::format("{}-{}{}", name_.stem().string(), index, name_.extension().string()));
  return path;
}

void PictureOut::check(int images) const {
  if (to_standard_output()) {
    if (images > 1) fail_usage("{} pictures cannot go to standard output; name a file with -o, or draw one", images);
    if (::isatty(STDOUT_FILENO) == 1) {
      fail_usage(
          "standard output is a terminal, which shows no picture; send it to a file or a program, or name a file");
    }
  } else if (format_given_->count() > 0) {
    fail_usage("--format is for -o -; the format of {} is told by its name", name_.string());
  }
  if (format() == ImageFormat::png && quality_ != 0) {
    fail_usage("--quality is for .jpg and .webp; PNG keeps every pixel");
  }
  if (to_standard_output()) return;
  constexpr int kMost = 1000;  // of far too many, the request itself says so
  for (int i = 0; i < std::min(images, kMost); ++i) check_writable(file(i, images));
}

std::string PictureOut::write(const Image& image, int index, int images,
                              const std::map<std::string, std::string>& text) const {
  const ImageOptions options{.quality = quality_};
  if (to_standard_output()) {
    write_to_standard_output(image.encode(format(), text, options));
    return "-";
  }
  const std::filesystem::path path = file(index, images);
  image.write(path, text, options);
  return path.string();
}

}  // namespace scalekv::cli
