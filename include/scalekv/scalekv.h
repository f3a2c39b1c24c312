// scalekv: text to image with visual autoregressive models (Infinity) on CPUs, with a scale-aware KV cache.
//
//   auto pipeline = scalekv::Pipeline::open("infinity-2b.safetensors", {.threads = 8});
//   scalekv::Image image = pipeline.generate({.prompt = "a red ring above a blue square", .seed = 7});
//   image.write("ring.png");
//
// Every function throws scalekv::Error (a std::runtime_error) with one sentence that says what is wrong, where, and
// what to do; scalekv::UsageError where the request itself makes no sense. A callback that says stop makes it throw
// scalekv::Cancelled, which is no Error.
#pragma once

#include "scalekv/calibrate.h"
#include "scalekv/convert.h"
#include "scalekv/errors.h"
#include "scalekv/evaluate.h"
#include "scalekv/image.h"
#include "scalekv/inspect.h"
#include "scalekv/pipeline.h"
#include "scalekv/plan.h"
#include "scalekv/policies.h"
#include "scalekv/version.h"
