#include "study/singular_values.h"

// Eigen's own threads would add up in another order for every number of them.
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/SVD>

namespace scalekv::study {

double sum_of_singular_values(std::span<const double> columns, std::size_t rows) {
  if (columns.empty()) return 0.0;
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
  const Eigen::Map<const Matrix> matrix(columns.data(), static_cast<Eigen::Index>(rows),
                                        static_cast<Eigen::Index>(columns.size() / rows));
  return Eigen::BDCSVD<Matrix>(matrix).singularValues().sum();
}

}  // namespace scalekv::study
