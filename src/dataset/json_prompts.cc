// Prompts in one JSON document: COCO captions, ImageReward's list, HPSv2's lists.
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>

#include "checkpoint/strict_json.h"
#include "core/error.h"
#include "dataset/readers.h"

namespace scalekv::dataset {
namespace {

using nlohmann::json;

const json& member(const json& object, const char* key, json::value_t type, const std::string& where) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  const bool fits = found != object.end() &&
                    (found->type() == type || (type == json::value_t::number_integer && found->is_number_integer()));
  if (!fits) fail("{}: \"{}\" is missing or not of type {}", where, key, json(type).type_name());
  return *found;
}

std::int64_t integer(const json& object, const char* key, const std::string& where) {
  return member(object, key, json::value_t::number_integer, where);
}

std::string text(const json& object, const char* key, const std::string& where) {
  return member(object, key, json::value_t::string, where);
}

// Images in the order of "images"; of each the caption that stands first in "annotations". Images without a caption
// are passed over.
PromptList read_coco(const json& document, const std::filesystem::path& path) {
  const std::string file = path.string();
  const json& images = member(document, "images", json::value_t::array, file);
  const json& annotations = member(document, "annotations", json::value_t::array, file);
  std::map<std::int64_t, const json*> first_of;  // image id -> its first annotation
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string where = fmt::format("{}, image {}", file, i);
    if (!first_of.emplace(integer(images[i], "id", where), nullptr).second) fail("{}: its id was there before", where);
  }
  for (std::size_t i = 0; i < annotations.size(); ++i) {
    const std::string where = fmt::format("{}, annotation {}", file, i);
    const auto image = first_of.find(integer(annotations[i], "image_id", where));
    if (image == first_of.end()) fail("{}: there is no image with its image_id", where);
    static_cast<void>(text(annotations[i], "caption", where));
    if (image->second == nullptr) image->second = &annotations[i];
  }
  PromptCollector prompts(Layout::coco);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const json* annotation = first_of.at(images[i]["id"].get<std::int64_t>());
    if (annotation == nullptr) continue;
    prompts.add({.text = (*annotation)["caption"]}, fmt::format("{}, first caption of image {}", file, i));
  }
  return prompts.finish(path);
}

// [{"id": "005695-0057", "prompt": "..."}, ...]
PromptList read_imagereward(const json& document, const std::filesystem::path& path) {
  PromptCollector prompts(Layout::imagereward);
  for (std::size_t i = 0; i < document.size(); ++i) {
    const std::string where = fmt::format("{}, entry {}", path.string(), i);
    std::string id = text(document[i], "id", where);
    if (id.empty()) fail("{}: the id is empty", where);
    prompts.add({.text = text(document[i], "prompt", where), .id = std::move(id)}, where);
  }
  return prompts.finish(path);
}

// ["...", ...]; the file's name is the style.
void add_hpsv2(const json& document, const std::filesystem::path& path, PromptCollector& prompts) {
  for (std::size_t i = 0; i < document.size(); ++i) {
    const std::string where = fmt::format("{}, entry {}", path.string(), i);
    if (!document[i].is_string()) fail("{}: this is no text", where);
    prompts.add({.text = document[i], .style = path.stem().string()}, where);
  }
}

json parse_document(const std::filesystem::path& path) {
  return checkpoint::parse_strict_json(read_prompt_file(path), path.string());
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

PromptList read_json_prompts(const std::filesystem::path& path) {
  const json document = parse_document(path);
  if (document.is_object()) return read_coco(document, path);
  if (!document.is_array()) fail("{}: neither COCO captions nor a list of prompts", path.string());
  if (!document.empty() && document.front().is_object()) return read_imagereward(document, path);
  PromptCollector prompts(Layout::hpsv2);
  add_hpsv2(document, path, prompts);
  return prompts.finish(path);
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
    std::string text = read_prompt_file(file);
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
    prompts.add({.text = std::move(text), .id = file.stem().string()}, file.string());
  }
  for (const auto& file : documents) {
    const json document = parse_document(file);
    if (!document.is_array()) fail("{}: this is no list of prompts", file.string());
    add_hpsv2(document, file, prompts);
  }
  return prompts.finish(path);
}

}  // namespace scalekv::dataset
