// What is behind a pipeline, for functions beside it that work on its model.
#pragma once

#include <memory>
#include <optional>

#include "engine/memory_plan.h"
#include "engine/model.h"
#include "runtime/runtime.h"

namespace scalekv {

struct Pipeline::Impl {
  explicit Impl(int threads) : runtime(threads) {}

  Runtime runtime;
  std::optional<engine::MemoryClaim> weights;  // what is held between requests
  std::unique_ptr<engine::Model> model;
  ModelFacts facts;
};

struct PipelineAccess {
  static Runtime& runtime(Pipeline& pipeline) { return pipeline.impl_->runtime; }
  static engine::Model& model(Pipeline& pipeline) { return *pipeline.impl_->model; }
};

}  // namespace scalekv
