// Include before Highway's headers: which instruction sets our vector kernels are compiled for.
#pragma once

// The register tiles are arrays of vectors, which vectors of unknown length (SVE, RVV) cannot form; Arm machines with
// SVE run the NEON code. On x86-64 we are fast from AVX2 up: what is older runs the code of the baseline, SSE2.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV | HWY_SSSE3 | HWY_SSE4)
