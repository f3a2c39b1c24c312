// Prompts in one JSON document: COCO captions, ImageReward's list, HPSv2's lists, lists and objects of prompts.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/strict_json.h"
#include "dataset/prompt_names.h"
#include "dataset/readers.h"

namespace scalekv::dataset {
namespace {

using json = nlohmann::ordered_json;

bool is_list(const json& object, const char* key) { return object.contains(key) && object[key].is_array(); }

// An id, which may be a whole number or a text, as text.
std::string id_of(const json& object, const char* key, const std::string& where) {
  if (!object.is_object()) fail("{}: this is no JSON object", where);
  const auto found = object.find(key);
  if (found == object.end() || !(found->is_string() || found->is_number_integer())) {
    fail("{}: \"{}\" is missing or neither a whole number nor a text; {}", where, key, found_names(object));
  }
  return found->is_string() ? found->get<std::string>() : found->dump();
}

// Images in the order of "images", or of the annotations where there is no such list; of each the caption that stands
// first in "annotations". Images without a caption are passed over, and so are captions of images that are not there:
// what is cut out of COCO often has the captions of all of it.
PromptList read_coco(const json& document, const std::filesystem::path& path) {
  const std::string file = path.string();
  for (const char* key : {"images", "annotations"}) {
    const bool needed = document.contains(key) || std::string_view(key) == "annotations";
    if (needed && !is_list(document, key)) {
      fail("{}: \"{}\" is missing or no list; {}", file, key, found_names(document));
    }
  }
  std::vector<std::string> images;
  std::map<std::string, std::string> captions;  // image id -> its first caption, empty so far
  const bool listed = document.contains("images");
  for (std::size_t i = 0; listed && i < document["images"].size(); ++i) {
    const std::string where = fmt::format("{}, image {}", file, i);
    images.push_back(id_of(document["images"][i], "id", where));
    if (!captions.emplace(images.back(), "").second) fail("{}: its id was there before", where);
  }
  const json& annotations = document["annotations"];
  for (std::size_t i = 0; i < annotations.size(); ++i) {
    const std::string where = fmt::format("{}, annotation {}", file, i);
    const std::string image = id_of(annotations[i], "image_id", where);
    const std::string caption = prompt_of(annotations[i], where);
    if (!listed && captions.emplace(image, "").second) images.push_back(image);
    const auto found = captions.find(image);
    if (found != captions.end() && found->second.empty()) found->second = trim(caption);
  }
  PromptCollector prompts(Layout::coco);
  for (std::size_t i = 0; i < images.size(); ++i) {
    std::string& caption = captions[images[i]];
    if (!caption.empty()) prompts.add({.text = std::move(caption)}, fmt::format("{}, caption of image {}", file, i));
  }
  return prompts.finish(path);
}

// [{"id": "005695-0057", "prompt": "..."}, ...]
bool is_imagereward(const json& entry) {
  return entry.is_object() && entry.contains("id") && entry["id"].is_string() && entry.contains("prompt");
}

// A list of texts, or of objects with a prompt and what `layout` needs besides.
void add_list(const json& list, Layout layout, const std::filesystem::path& path, PromptCollector& prompts) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string where = fmt::format("{}, entry {}", path.string(), i);
    Prompt prompt;
    if (layout == Layout::imagereward) {
      prompt.id = id_of(list[i], "id", where);
      if (prompt.id.empty()) fail("{}: the id is empty", where);
    }
    if (layout == Layout::hpsv2) {
      if (!list[i].is_string()) fail("{}: this is no text", where);
      prompt.style = path.stem().string();
    }
    prompt.text = prompt_of(list[i], where);
    prompts.add(std::move(prompt), where);
  }
}

PromptList read_list(const json& list, Layout layout, const std::filesystem::path& path) {
  PromptCollector prompts(layout);
  add_list(list, layout, path, prompts);
  return prompts.finish(path);
}

// {"id": "a prompt", "other": {"prompt": "another"}}
PromptList read_by_id(const json& object, const std::filesystem::path& path) {
  PromptCollector prompts(Layout::list);
  for (const auto& [key, value] : object.items()) {
    const std::string where = fmt::format("{}, {}", path.string(), in_quotes(key));
    if (!value.is_string() && !value.is_object()) {
      fail("{}: neither a prompt nor an object with one, nor COCO's \"annotations\", nor a list named {}; {}", where,
           prompt_names(), found_names(object));
    }
    prompts.add({.text = prompt_of(value, where), .id = is_file_name(key) ? key : ""}, where);
  }
  return prompts.finish(path);
}

PromptList read_object(const json& document, const std::filesystem::path& path) {
  const json* named = find_prompt_member(document);
  if (is_list(document, "annotations") || (is_list(document, "images") && named == nullptr)) {
    return read_coco(document, path);
  }
  if (named == nullptr) return read_by_id(document, path);
  if (named->is_array()) return read_list(*named, Layout::list, path);
  if (named->is_object()) return read_by_id(*named, path);
  return read_list(json::array({document}), Layout::list, path);
}

std::vector<std::filesystem::path> files_with(const std::filesystem::path& folder, std::string_view extension) {
  std::vector<std::filesystem::path> files;
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator(folder, failed)) {
    const bool hidden = file.path().filename().string().starts_with('.');
    if (!hidden && file.path().extension() == extension) files.push_back(file.path());
  }
  if (failed) fail("{} cannot be read: {}", folder.string(), failed.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

PromptList read_json_prompts(std::string_view content, const std::filesystem::path& path) {
  const json document = parse_strict_list(content, path.string());
  if (document.is_object()) return read_object(document, path);
  if (!document.is_array()) fail("{}: neither COCO captions nor a list or an object of prompts", path.string());
  if (document.empty()) fail("{} holds no prompts", path.string());
  // The file's name is the style of HPSv2's lists; where it cannot be one, they are lists like others.
  const json& first = document.front();
  const bool hpsv2 = first.is_string() && is_file_name(path.stem().string());
  return read_list(document, hpsv2 ? Layout::hpsv2 : is_imagereward(first) ? Layout::imagereward : Layout::list, path);
}

PromptList read_prompt_folder(const std::filesystem::path& path) {
  const auto texts = files_with(path, ".txt");
  const auto documents = files_with(path, ".json");
  if (texts.empty() == documents.empty()) {
    fail("{} should hold either .txt files (DPG-Bench) or .json files (HPSv2); it holds {} and {}", path.string(),
         texts.size(), documents.size());
  }
  PromptCollector prompts(texts.empty() ? Layout::hpsv2 : Layout::dpg);
  for (const auto& file : texts) {
    prompts.add({.text = read_prompt_file(file), .id = file.stem().string()}, file.string());
  }
  for (const auto& file : documents) {
    const json document = parse_strict_list(read_prompt_file(file), file.string());
    if (!document.is_array()) fail("{}: this is no list of prompts", file.string());
    add_list(document, Layout::hpsv2, file, prompts);
  }
  return prompts.finish(path);
}

}  // namespace scalekv::dataset
