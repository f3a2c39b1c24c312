// The checks. Each looks for the tensors that it knows in the fixture and does nothing where there are none.
#pragma once

#include "golden/fixture.h"
#include "golden/report.h"

namespace scalekv::golden {

// A whole model: text, positions, every scale with the full cache and with ScaleKV, the picture.
void check_model(const Fixture& fixture, Report& report);
// Encoder, quantiser and decoder.
void check_vae(const Fixture& fixture, Report& report);
// One transformer block over several scales.
void check_block(const Fixture& fixture, Report& report);
// Resampling of maps.
void check_resampling(const Fixture& fixture, Report& report);
// Signs, codes, multi-scale quantisation, patches.
void check_quantizer(const Fixture& fixture, Report& report);
// Positions and rotation.
void check_rotary(const Fixture& fixture, Report& report);
// Top-k and top-p masks.
void check_sampler(const Fixture& fixture, Report& report);
// ScaleKV's selections, one at a time.
void check_selector(const Fixture& fixture, Report& report);
// Scale schedules and aspect ratios.
void check_schedules(const Fixture& fixture, Report& report);

}  // namespace scalekv::golden
