#include "shapes/shapes_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "shapes/shape_fit.h"

namespace scalekv::shapes {
namespace {

constexpr std::array kCategories = {"single", "two", "count", "colour", "position", "attribution", "background"};
constexpr std::array kRelations = {"left of", "right of", "above", "below"};

// A string, or nothing where the field is null or missing.
std::string text_of(const nlohmann::json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? "" : found->get<std::string>();
}

template <typename Names>
void check_one_of(const Names& names, const std::string& name, const char* what) {
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
  fail("there is no {} '{}' in the shapes world", what, name);
}

ShapesCaption parse_caption(const std::string& line) {
  const nlohmann::json json = nlohmann::json::parse(line);
  ShapesCaption caption{.prompt = json.at("prompt"),
                        .category = json.at("category"),
                        .objects = {},
                        .relation = text_of(json, "relation"),
                        .background = text_of(json, "background"),
                        .unseen = json.value("unseen", false),
                        .image = text_of(json, "image")};
  check_one_of(kCategories, caption.category, "category");
  check_one_of(kRelations, caption.relation, "relation");
  for (const nlohmann::json& object : json.at("objects")) {
    caption.objects.push_back({object.at("shape"), text_of(object, "colour"), object.value("count", 1)});
    check_one_of(shape_names(), caption.objects.back().shape, "shape");
    const int count = caption.objects.back().count;
    if (count < 1 || count > 6) fail("{} objects of one kind; 1 to 6 are possible", count);
    check_one_of(object_colours(), caption.objects.back().colour, "colour");
  }
  if (caption.objects.empty() || caption.objects.size() > 3)
    fail("{} kinds of objects, not 1 to 3", caption.objects.size());
  if (!caption.relation.empty() && caption.objects.size() < 2) fail("a relation between fewer than two objects");
  return caption;
}

// GenEval's rule: the direction from the second object to the first is mostly the one stated.
bool is_related(const FoundObject& first, const FoundObject& second, const std::string& relation) {
  const double dx = first.x - second.x;
  const double dy = first.y - second.y;
  const double distance = std::hypot(dx, dy);
  if (relation == "left of") return dx < -0.5 * distance;
  if (relation == "right of") return dx > 0.5 * distance;
  if (relation == "above") return dy < -0.5 * distance;
  return dy > 0.5 * distance;
}

bool fits_background(const std::string& asked, const FoundScene& scene) {
  const std::string joint = " and ";
  const std::size_t both = asked.find(joint);
  if (both == std::string::npos) {
    return scene.left == asked && scene.right == asked && scene.top == asked && scene.bottom == asked;
  }
  const std::string first = asked.substr(0, both);
  const std::string second = asked.substr(both + joint.size());
  return (scene.left == first && scene.right == second) || (scene.top == first && scene.bottom == second);
}

// One entry for every object asked for.
std::vector<AskedObject> list_objects(const ShapesCaption& caption) {
  std::vector<AskedObject> list;
  for (const AskedObject& object : caption.objects) {
    list.insert(list.end(), static_cast<std::size_t>(std::max(0, object.count)), object);
  }
  return list;
}

}  // namespace

std::vector<ShapesCaption> read_shapes_captions(const std::filesystem::path& path) {
  std::istringstream lines(read_file(path));
  std::vector<ShapesCaption> captions;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      captions.push_back(parse_caption(line));
    } catch (const std::exception& error) {
      fail("{}, line {}, is not a shapes caption: {}", path.string(), number, error.what());
    }
  }
  if (captions.empty()) fail("{} holds no captions", path.string());
  return captions;
}

std::string find_fault(const ShapesCaption& caption, const FoundScene& scene) {
  const std::vector<AskedObject> asked = list_objects(caption);
  SCALEKV_ASSERT(!asked.empty());
  if (asked.size() != scene.objects.size())
    return fmt::format("{} objects, not {}", scene.objects.size(), asked.size());
  if (!caption.background.empty() && !fits_background(caption.background, scene)) return "another background";
  // Some way to name the objects found must satisfy everything.
  std::vector<std::size_t> order(asked.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  bool shapes = false;
  bool colours = false;
  do {
    const auto found = [&](std::size_t i) -> const FoundObject& { return scene.objects[order[i]]; };
    bool same_shapes = true;
    bool same_colours = true;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      same_shapes = same_shapes && found(i).shape == asked[i].shape;
      same_colours = same_colours && (asked[i].colour.empty() || found(i).colour == asked[i].colour);
    }
    shapes = shapes || same_shapes;
    if (!same_shapes || !same_colours) continue;
    colours = true;
    const auto second = static_cast<std::size_t>(caption.objects[0].count);
    if (caption.relation.empty() || is_related(found(0), found(second), caption.relation)) return "";
  } while (std::next_permutation(order.begin(), order.end()));
  if (!shapes) return "other shapes";
  return colours ? "not " + caption.relation : "other colours";
}

void ShapesScore::add(const ShapesCaption& caption, bool right) {
  Tally& tally = (caption.unseen ? unseen_ : seen_)[caption.category];
  tally.right += right ? 1 : 0;
  ++tally.all;
}

void ShapesScore::report(const std::map<std::string, Tally>& tallies, const std::string& prefix,
                         nlohmann::ordered_json& json) {
  nlohmann::ordered_json shares = nlohmann::ordered_json::object();
  double sum = 0.0;
  int all = 0;
  for (const char* category : kCategories) {
    const auto found = tallies.find(category);
    if (found == tallies.end()) continue;
    const double share = static_cast<double>(found->second.right) / found->second.all;
    shares[prefix + category] = share;
    sum += share;
    all += found->second.all;
  }
  if (all > 0) json[prefix + "overall"] = sum / static_cast<double>(shares.size());
  json.update(shares);
  json[prefix + "n"] = all;
}

nlohmann::ordered_json ShapesScore::to_json() const {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  report(seen_, "", json);
  report(unseen_, "unseen_", json);
  return json;
}

}  // namespace scalekv::shapes
