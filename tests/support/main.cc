// Runs the tests of a room in a runtime of their own.
#include <gtest/gtest.h>

#include "runtime/runtime.h"

int main(int argc, char** argv) {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
