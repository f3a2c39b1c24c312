// Folders of pictures, and which pictures of two folders belong together.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace scalekv::study {

// The .png, .jpg, .jpeg and .webp files of a folder and the folders in it, in the byte order of their paths. Names that
// begin with a dot are passed over, and so are folders named __MACOSX.
// Throws Error where it is no folder or holds none.
std::vector<std::filesystem::path> list_pictures(const std::filesystem::path& folder);

struct PicturePair {
  std::string name;  // the path in its folder, without the suffix
  std::filesystem::path a;
  std::filesystem::path b;
};

// Pictures of the same name (the suffix may differ), sorted by name. Throws Error naming a picture without a partner.
std::vector<PicturePair> pair_pictures(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace scalekv::study
