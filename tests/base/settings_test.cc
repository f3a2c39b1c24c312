#include "base/settings.h"

#include <gtest/gtest.h>

namespace scalekv {
namespace {

TEST(Settings, DifferencesAreNamed) {
  const Settings before = {{"cfg", "3"}, {"seed", "1"}, {"top_k", "2"}};
  const Settings now = {{"cfg", "4"}, {"kv", "int8"}, {"seed", "1"}};
  EXPECT_EQ(differences(before, now), "cfg was 3 and is 4; kv was nothing and is int8; top_k was 2 and is nothing");
  EXPECT_EQ(differences(before, before), "");
}

}  // namespace
}  // namespace scalekv
