// Replays a fuzzer's corpus: inputs that reached a part of a reader which the others did not.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "fuzz/run_target.h"

namespace scalekv {

// kind: the folder in tests/fuzz/corpus. Every input is read, or refused by an Error.
inline void replay_corpus(const std::string& kind, FuzzTarget target) {
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SCALEKV_SOURCE_DIR "/tests/fuzz/corpus/" + kind)) {
    SCOPED_TRACE(entry.path().string());
    EXPECT_NO_THROW(run_target(target, read_file(entry.path())));
    ++inputs;
  }
  EXPECT_GT(inputs, 0);
}

}  // namespace scalekv
