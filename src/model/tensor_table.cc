#include "model/tensor_table.h"

#include <cmath>
#include <utility>

#include "model/table_lines.h"

namespace scalekv::model {

void NetworkTable::visit(const std::function<void(const TableEntry&)>& visit) const {
  for (const TensorSpec& spec : tensors) visit({spec.name, spec});
  for (const std::string& prefix : prefixes) {
    for (const TensorSpec& spec : block) visit({prefix + spec.name, spec, true});
  }
}

Lines join(std::initializer_list<Lines> parts) {
  Lines lines;
  for (const Lines& part : parts) lines.insert(lines.end(), part.begin(), part.end());
  return lines;
}

float unit(std::int64_t inputs) { return 1.0F / std::sqrt(static_cast<float>(inputs)); }

Lines values(std::string name, const Shape& shape, float deviation, float mean, Role role) {
  return {{.name = std::move(name), .shape = shape, .role = role, .deviation = deviation, .mean = mean}};
}

Lines norm_weight(std::string name, std::int64_t channels, Role role) {
  return values(std::move(name), {channels}, 0.1F, 1.0F, role);
}

Lines bias(std::string name, std::int64_t channels, Role role) {
  return values(std::move(name), {channels}, 0.05F, 0.0F, role);
}

Lines matrix(const std::string& name, std::int64_t inputs, std::int64_t outputs, const MatrixTraits& traits) {
  return {{.name = name + ".weight",
           .shape = {outputs, inputs},
           .role = Role::matrix,
           .deviation = traits.gain * unit(inputs),
           .outliers = traits.outliers,
           .uses = traits.uses}};
}

Lines linear(const std::string& name, std::int64_t inputs, std::int64_t outputs, const MatrixTraits& traits) {
  Lines lines = matrix(name, inputs, outputs, traits);
  lines.front().bias = name + ".bias";
  return join({lines, bias(name + ".bias", outputs)});
}

}  // namespace scalekv::model
