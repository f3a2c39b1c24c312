#include "dataset/picture_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/numbers.h"

namespace scalekv::dataset {
namespace {

int default_images(Layout layout) {
  switch (layout) {
    case Layout::geneval:
    case Layout::dpg:
      return 4;
    case Layout::imagereward:
      return 10;
    default:
      return 1;
  }
}

// name.png, or name-0.png, name-1.png ... where there are several.
std::string numbered(const std::string& name, int image, int images) {
  return images == 1 ? name + ".png" : fmt::format("{}-{}.png", name, image);
}

class PictureLister {
 public:
  PictureLister(Layout layout, const PictureListOptions& options) : layout_(layout), options_(options) {
    all_.images_per_prompt = options.images_per_prompt == 0 ? default_images(layout) : options.images_per_prompt;
    const int images = all_.images_per_prompt;
    if (images < 1 || images > 10'000) fail_usage("{} images a prompt are not possible; ask for 1 to 10000", images);
    if (layout == Layout::dpg && images != 1 && images != 4) {
      fail_usage("DPG-Bench takes 1 or 4 images a prompt, not {}", images);
    }
    if (layout == Layout::hpsv2 && images != 1) fail_usage("HPSv2 takes 1 image a prompt, not {}", images);
  }

  int images_per_prompt() const { return all_.images_per_prompt; }

  void add(const Prompt& prompt, std::size_t index) {
    const int images = all_.images_per_prompt;
    const std::uint64_t seed = options_.seed + index * static_cast<std::uint64_t>(images);
    if (layout_ == Layout::dpg) {
      all_.pictures.push_back({prompt.id + ".png", prompt.text, {}});
      for (int j = 0; j < images; ++j) all_.pictures.back().seeds.push_back(seed + static_cast<std::uint64_t>(j));
      return;
    }
    if (layout_ == Layout::geneval) {
      all_.texts.push_back({fmt::format("{:05}/metadata.jsonl", index), prompt.metadata + "\n"});
    }
    const std::size_t in_style = layout_ == Layout::hpsv2 ? styles_[prompt.style]++ : 0;
    nlohmann::ordered_json paths = nlohmann::ordered_json::array();
    for (int j = 0; j < images; ++j) {
      std::string file = file_of(prompt, index, in_style, j);
      paths.push_back((options_.out / file).string());
      all_.pictures.push_back({std::move(file), prompt.text, {seed + static_cast<std::uint64_t>(j)}});
    }
    if (layout_ == Layout::imagereward) {
      rewards_.push_back({{"id", prompt.id}, {"prompt", prompt.text}, {"gen_image_paths", paths}});
    }
  }

  PictureList finish() {
    if (layout_ == Layout::imagereward) all_.texts.push_back({"metadata.jsonl", rewards_.dump() + "\n"});
    return std::move(all_);
  }

 private:
  std::string file_of(const Prompt& prompt, std::size_t index, std::size_t in_style, int image) const {
    switch (layout_) {
      case Layout::geneval:
        return fmt::format("{:05}/samples/{:04}.png", index, image);
      case Layout::hpsv2:
        return fmt::format("{}/{:05}.jpg", prompt.style, in_style);
      case Layout::imagereward:
        return fmt::format("{0}/{0}_{1}.png", prompt.id, image);
      case Layout::coco:
        return numbered(fmt::format("{:04}", index), image, all_.images_per_prompt);
      default:
        return numbered(fmt::format("{:05}", index), image, all_.images_per_prompt);
    }
  }

  Layout layout_;
  const PictureListOptions& options_;
  PictureList all_;
  std::map<std::string, std::size_t> styles_;  // prompts so far
  nlohmann::ordered_json rewards_ = nlohmann::ordered_json::array();
};

}  // namespace

PictureList list_pictures(const PromptList& list, const PictureListOptions& options) {
  PictureLister lister(list.layout, options);
  check_seeds(options.seed, list.prompts.size() * static_cast<std::size_t>(lister.images_per_prompt()));
  for (std::size_t i = 0; i < list.prompts.size(); ++i) lister.add(list.prompts[i], i);
  return lister.finish();
}

Image as_grid(std::vector<Image> images) {
  if (images.size() == 1) return std::move(images.front());
  SCALEKV_ASSERT(images.size() == 4);
  const std::int64_t width = images.front().width;
  const std::int64_t height = images.front().height;
  Image grid{.width = 2 * width, .height = 2 * height, .rgb = {}};
  grid.rgb.reserve(static_cast<std::size_t>(grid.width * grid.height * 3));
  for (std::int64_t y = 0; y < grid.height; ++y) {
    for (const std::size_t column : {0U, 1U}) {
      const Image& image = images[(y < height ? 0U : 2U) + column];
      SCALEKV_ASSERT(image.width == width && image.height == height);
      const auto row = image.rgb.begin() + y % height * width * 3;
      std::copy_n(row, width * 3, std::back_inserter(grid.rgb));
    }
  }
  return grid;
}

}  // namespace scalekv::dataset
