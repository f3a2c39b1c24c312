// Does a picture show what its caption asks for? The shapes world's counterpart of GenEval (arXiv 2310.11513): exact,
// because what is in the pictures is simple enough to be found by colour and outline.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "shapes/shapes_finder.h"

namespace scalekv::shapes {

// One entry of a caption: `count` objects of a shape; an empty colour means any.
struct AskedObject {
  std::string shape;
  std::string colour;
  int count = 1;
};

// One line of a captions file (schema: tools/README.md).
struct ShapesCaption {
  std::string prompt;
  std::string category;
  std::vector<AskedObject> objects;
  std::string relation;    // "left of", ...: where the first object is, seen from the second; may be empty
  std::string background;  // "gray", or "gray and pink" (left or top one first); empty: any
  bool unseen = false;     // a combination that training never shows
  std::string image;       // file of its picture, where the file names one; relative to the file
};

// Throws Error naming file and line where it is not of that schema.
std::vector<ShapesCaption> read_shapes_captions(const std::filesystem::path& path);

// Why a scene is not what the caption asks for; empty where it is. Exactly the objects asked for must be there, each
// with its colour, in the relation stated, on the background stated.
std::string find_fault(const ShapesCaption& caption, const FoundScene& scene);

// Shares of right pictures.
class ShapesScore {
 public:
  void add(const ShapesCaption& caption, bool right);

  // overall (the mean over categories, as GenEval's), one figure a category, n; the same of unseen combinations, which
  // count nowhere else, under unseen_*.
  nlohmann::ordered_json to_json() const;

 private:
  struct Tally {
    int right = 0;
    int all = 0;
  };
  static void report(const std::map<std::string, Tally>& tallies, const std::string& prefix,
                     nlohmann::ordered_json& json);

  std::map<std::string, Tally> seen_, unseen_;
};

}  // namespace scalekv::shapes
