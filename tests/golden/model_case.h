// A fixture of a whole model, read: the transformer, and the request and pictures that the reference was given.
#pragma once

#include <string>
#include <vector>

#include "golden/fixture.h"
#include "golden/report.h"
#include "support/small_generation.h"

namespace scalekv::golden {

struct ModelCase {
  // Throws Error where the fixture lacks something.
  explicit ModelCase(const Fixture& fixture);
  ModelCase(const ModelCase&) = delete;
  ModelCase& operator=(const ModelCase&) = delete;

  std::int64_t images() const { return static_cast<std::int64_t>(request.texts.size()); }

  backend::CpuBackend backend;
  engine::BitMaps bits;
  testing::SmallRequest request;  // with the full cache; `forced` points to bits
  // Positions that tensors of a scale are stored for; empty: all.
  std::vector<std::vector<std::int64_t>> positions;
};

// Tensors [R, P, W] of one run: name -> compared with rows [R' L, W] of the engine, R <= R'.
void compare_rows(const Fixture& fixture, Report& report, const ModelCase& model, const std::string& name, int scale,
                  View<const float> rows);

// The number after ".s" at the end of a stage's name; -1 where there is none.
int scale_of_stage(std::string_view stage);

}  // namespace scalekv::golden
