// Lists of prompts: what to draw, and how the pictures are to be laid out (docs/DATASETS.md).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace scalekv::dataset {

// How the pictures of a list are named, each as its official scorer reads them.
enum class Layout { list, coco, geneval, dpg, hpsv2, imagereward };

std::string_view layout_name(Layout layout);
// The names of all of them.
std::vector<std::string> layouts();
// Throws UsageError naming the layouts there are.
Layout parse_layout(std::string_view name);

struct Prompt {
  std::string text;
  std::string id = {};        // dpg, imagereward: names the pictures
  std::string style = {};     // hpsv2: names the folder
  std::string metadata = {};  // geneval: the line of the file as it stands
};

struct PromptList {
  Layout layout = Layout::list;
  std::vector<Prompt> prompts;
};

// Reads a file or folder of prompts of any kind; which one is told by its name and content. Throws Error naming the
// file and the line or entry where it is damaged, too large or not UTF-8, and where it holds no prompts.
PromptList read_prompt_list(const std::filesystem::path& path);

// The same of the content of a file of that name.
PromptList parse_prompt_list(std::string content, const std::filesystem::path& path);

// The same, laid out as `layout` says instead. Throws UsageError where the prompts lack what that layout needs.
PromptList read_prompt_list(const std::filesystem::path& path, std::optional<Layout> layout);

// The texts only.
std::vector<std::string> read_prompts(const std::filesystem::path& path);

}  // namespace scalekv::dataset
