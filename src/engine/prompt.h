// Prompts before they are tokenized.
#pragma once

#include <string>

namespace scalekv::engine {

// The reference's optional sentence about faces, appended where a word for a person occurs anywhere in the prompt
// ("man" in "romantic", too).
std::string with_face_prompt(const std::string& prompt);

}  // namespace scalekv::engine
