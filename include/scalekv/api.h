// What the shared library shows to programs; all else is hidden.
#pragma once

#define SCALEKV_API __attribute__((visibility("default")))
