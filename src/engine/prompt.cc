#include "engine/prompt.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace scalekv::engine {

std::string with_face_prompt(const std::string& prompt) {
  constexpr std::array<std::string_view, 22> kPersons = {
      "man",    "woman",   "men",         "women",       "boy",      "girl",    "child",  "person",
      "human",  "adult",   "teenager",    "employee",    "employer", "worker",  "mother", "father",
      "sister", "brother", "grandmother", "grandfather", "son",      "daughter"};
  const bool named = std::any_of(kPersons.begin(), kPersons.end(),
                                 [&](std::string_view person) { return prompt.find(person) != std::string::npos; });
  if (!named) return prompt;
  return prompt + ". very smooth faces, good looking faces, face to the camera, perfect facial features";
}

std::string encoded_prompt(const Request& request) {
  return request.face_prompt ? with_face_prompt(request.prompt) : request.prompt;
}

}  // namespace scalekv::engine
