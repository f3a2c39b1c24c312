// What is to be drawn from a list of prompts: files, prompts and seeds, in the layout of the list.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "dataset/prompt_list.h"
#include "scalekv/image.h"

namespace scalekv::dataset {

// One file to draw. Its bytes depend on its prompt, its seeds and the settings of the run, on nothing else.
struct Picture {
  std::string file;  // within the output folder; PNG or JPEG by its ending
  std::string prompt;
  std::vector<std::uint64_t> seeds;  // one; four for a grid of 2x2
};

// A file that the scorer reads beside the pictures.
struct TextFile {
  std::string file;
  std::string text;
};

struct PictureList {
  std::vector<Picture> pictures;
  std::vector<TextFile> texts;
  int images_per_prompt = 1;
};

struct PictureListOptions {
  std::uint64_t seed = 0;
  int images_per_prompt = 0;  // 0: what the layout asks for
  // As ImageReward's metadata shall name it.
  std::filesystem::path out = {};
};

// Image j of prompt i has seed `seed + i * images_per_prompt + j`. Throws UsageError where the layout cannot take that
// number of images a prompt, and where the seeds would go past the largest.
PictureList list_pictures(const PromptList& list, const PictureListOptions& options);

// One picture as it is; four of one size as a grid, 0 and 1 above 2 and 3, edge to edge.
Image as_grid(std::vector<Image> images);

}  // namespace scalekv::dataset
