#include "model/check_shapes.h"

#include "model/layer_tensors.h"
#include "model/parts.h"

namespace scalekv::model {

void check_readable(const Bundle& bundle) {
  for (const Part& part : parts_of(bundle)) {
    part.table.visit([&](const TableEntry& entry) {
      // shape() fails for what is there and cannot be read.
      if (part.weights->has(entry.name)) static_cast<void>(part.weights->shape(entry.name));
    });
  }
}

std::vector<std::string> check_shapes(const Bundle& bundle) {
  std::vector<std::string> names;
  for (const Part& part : parts_of(bundle)) {
    formats::WeightMap weights = *part.weights;
    part.table.visit([&](const TableEntry& entry) {
      if (entry.spec.role == Role::unread) return;
      if (is_int8(weights, entry.name, entry.spec)) {
        static_cast<void>(take_int8(weights, entry.name, entry.spec));
      } else {
        static_cast<void>(weights.take(entry.name, entry.spec.shape));
      }
    });
    expect_all_used(weights, part.table);
    names.emplace_back(part.name);
  }
  return names;
}

}  // namespace scalekv::model
