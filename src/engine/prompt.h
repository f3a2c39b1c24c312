// Prompts before they are tokenized.
#pragma once

#include <string>

#include "scalekv/pipeline.h"

namespace scalekv::engine {

// The reference's optional sentence about faces, appended where a word for a person occurs anywhere in the prompt
// ("man" in "romantic", too).
std::string with_face_prompt(const std::string& prompt);

// What is encoded of the request's prompt.
std::string encoded_prompt(const Request& request);

}  // namespace scalekv::engine
