// The files of tests/data/text, written by tools/fixtures/text_fixtures.py with Hugging Face transformers.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

namespace scalekv::text {

inline std::string fixture_path(const std::string& name) { return SCALEKV_SOURCE_DIR "/tests/data/text/" + name; }

inline std::string read_fixture(const std::string& name) {
  std::ifstream file(fixture_path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace scalekv::text
