// Names in a pickle that have no business in a file of weights: who writes them wants code to run.
#pragma once

#include <string>
#include <string_view>

namespace scalekv::formats {

// Throws Error where the global `name` of `module` is on the list; `where` is for the message. Not to be on it means
// nothing but that the name is a label: no global is ever looked up or called.
void refuse_harmful_global(std::string_view module, std::string_view name, const std::string& where);

}  // namespace scalekv::formats
