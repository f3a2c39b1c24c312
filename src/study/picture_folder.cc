#include "study/picture_folder.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/image.h"

namespace scalekv::study {
namespace {

// What systems leave beside pictures: hidden files ("._a.png" of macOS) and folders, and macOS's folder in zip
// archives.
bool is_left_behind(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name == "__MACOSX";
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
    if (is_left_behind(entry->path())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && find_image_format(entry->path())) {
      pictures.push_back(entry->path());
    }
  }
  if (failed) fail("{} cannot be read: {}", folder.string(), failed.message());
  if (pictures.empty()) fail("{} holds no pictures (.png, .jpg, .webp)", folder.string());
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

std::vector<PicturePair> pair_pictures(const std::filesystem::path& a, const std::filesystem::path& b) {
  const std::map<std::string, std::filesystem::path> left = by_name(a);
  const std::map<std::string, std::filesystem::path> right = by_name(b);
  const auto check = [](const auto& pictures, const auto& partners, const std::filesystem::path& folder) {
    for (const auto& [name, path] : pictures) {
      if (!partners.contains(name)) {
        fail("{} has no partner: {} holds {} pictures, but no {}.png, .jpg or .webp", path.string(), folder.string(),
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

}  // namespace scalekv::study
