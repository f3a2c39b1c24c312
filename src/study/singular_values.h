// The one decomposition that the Fréchet distance needs, in a file of its own: its templates take a minute to compile.
#pragma once

#include <cstddef>
#include <span>

namespace scalekv::study {

// The sum of the singular values of a matrix. columns: [columns, rows], one column after the other; 0 where it is
// empty.
double sum_of_singular_values(std::span<const double> columns, std::size_t rows);

}  // namespace scalekv::study
