// What the library throws. Sentences name settings by their fields in backquotes, with the value to give them:
// "leave out `selector` attention", so that a front end can put its own words there (the command line: --selector).
#pragma once

#include <exception>
#include <stdexcept>

#include "scalekv/api.h"

namespace scalekv {

// Something failed: a file is unreadable, a tensor has the wrong shape, memory does not suffice.
class SCALEKV_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The caller asked for something that makes no sense: an unknown policy, a budget of 101%.
class SCALEKV_API UsageError : public Error {
 public:
  using Error::Error;
};

// A progress callback said stop. Nothing failed, so it is no Error: who catches those does not report it as one.
class SCALEKV_API Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled"; }
};

}  // namespace scalekv
