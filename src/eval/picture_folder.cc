#include "eval/picture_folder.h"

#include <algorithm>
#include <map>

#include "core/error.h"

namespace scalekv::eval {
namespace {

bool is_picture(const std::filesystem::path& path) {
  std::string suffix = path.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg";
}

std::map<std::string, std::filesystem::path> by_name(const std::filesystem::path& folder) {
  std::map<std::string, std::filesystem::path> pictures;
  for (const std::filesystem::path& path : list_pictures(folder)) {
    const std::string name = path.lexically_relative(folder).replace_extension().generic_string();
    const auto [other, inserted] = pictures.emplace(name, path);
    if (!inserted) {
      fail("{} and {} have the same name, so that their partner cannot be told; remove one", other->second.string(),
           path.string());
    }
  }
  return pictures;
}

}  // namespace

std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) fail("{} is no folder of pictures", folder.string());
  std::vector<std::filesystem::path> pictures;
  std::error_code failed;
  for (auto entry = std::filesystem::recursive_directory_iterator(folder, failed);
       !failed && entry != std::filesystem::recursive_directory_iterator(); entry.increment(failed)) {
    if (entry->is_regular_file() && is_picture(entry->path())) pictures.push_back(entry->path());
  }
  if (failed) fail("{} cannot be read: {}", folder.string(), failed.message());
  if (pictures.empty()) fail("{} holds no pictures (.png, .jpg)", folder.string());
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

std::vector<PicturePair> pair_pictures(const std::filesystem::path& a, const std::filesystem::path& b) {
  const std::map<std::string, std::filesystem::path> left = by_name(a);
  const std::map<std::string, std::filesystem::path> right = by_name(b);
  const auto check = [](const auto& pictures, const auto& partners, const std::filesystem::path& folder) {
    for (const auto& [name, path] : pictures) {
      if (!partners.contains(name)) {
        fail("{} has no partner: {} holds {} pictures, but no {}.png or .jpg", path.string(), folder.string(),
             partners.size(), name);
      }
    }
  };
  check(left, right, b);
  check(right, left, a);
  std::vector<PicturePair> pairs;
  for (const auto& [name, path] : left) pairs.push_back({name, path, right.at(name)});
  return pairs;
}

}  // namespace scalekv::eval
