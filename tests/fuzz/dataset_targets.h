// What the fuzzer of prompt lists and the test that replays its corpus do with one input.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "dataset/prompt_list.h"

namespace scalekv::dataset {

// A list under every kind of name that it may have.
inline void read_as_prompts(std::string_view bytes) {
  for (const char* name : {"a.txt", "a.csv", "a.tsv", "a.json", "a.jsonl"}) {
    try {
      static_cast<void>(parse_prompt_list(std::string(bytes), name));
    } catch (const Error&) {  // the next name
    }
  }
}

}  // namespace scalekv::dataset
