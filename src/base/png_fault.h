// How libpng says what is wrong. It is C and leaves by longjmp: functions that call setjmp hold nothing that wants
// destroying; what they fill lies with their caller.
#pragma once

#include <png.h>

#include <string>

namespace scalekv {

struct PngFault {
  std::string message;

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    static_cast<PngFault*>(png_get_error_ptr(png))->message = message;
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}
};

}  // namespace scalekv
