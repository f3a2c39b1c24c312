// The model that is built into the library.
#include <span>

#include "base/error.h"
#include "engine/model.h"

#ifdef SCALEKV_EMBEDDED_MODEL
// Set by the assembler in embedded_model.S around the bytes of the model file.
extern "C" {
extern const std::byte scalekv_embedded_model_begin[];   // NOLINT(modernize-avoid-c-arrays)
extern const std::byte scalekv_embedded_model_end[];     // NOLINT(modernize-avoid-c-arrays)
extern const char scalekv_embedded_calibration_begin[];  // NOLINT(modernize-avoid-c-arrays)
extern const char scalekv_embedded_calibration_end[];    // NOLINT(modernize-avoid-c-arrays)
}
#endif

namespace scalekv::engine {

std::span<const std::byte> embedded_model_bytes() {
#ifdef SCALEKV_EMBEDDED_MODEL
  return {scalekv_embedded_model_begin, scalekv_embedded_model_end};
#else
  fail("this build has no embedded model; name one with `model`");
#endif
}

model::Bundle open_embedded_bundle() {
  return model::open_resident_bundle("the embedded model", embedded_model_bytes());
}

std::string embedded_calibration() {
#ifdef SCALEKV_EMBEDDED_MODEL
  return {scalekv_embedded_calibration_begin, scalekv_embedded_calibration_end};
#else
  fail("this build has no embedded model; name one with `model`");
#endif
}

}  // namespace scalekv::engine
