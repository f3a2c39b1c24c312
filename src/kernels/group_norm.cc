#include "kernels/group_norm.h"

#include <algorithm>
#include <cmath>

#include "base/ceil_divide.h"
#include "base/error.h"
#include "runtime/threads.h"

namespace scalekv::kernels {
namespace {

constexpr std::int64_t kRun = 64;     // cells that are read twice, the second time from cache
constexpr std::int64_t kTask = 1024;  // cells of a task

// Count and mean of some values, and the sum of squared distances from the mean.
struct Moments {
  double count = 0.0, mean = 0.0, squares = 0.0;

  void merge(const Moments& other) {
    const double sum = count + other.count;
    const double distance = other.mean - mean;
    mean += distance * other.count / sum;
    squares += other.squares + distance * distance * count * other.count / sum;
    count = sum;
  }
};

// One map's groups; `sums` and `center` are one value a channel.
struct RunReader {
  std::int64_t channels, per_group;
  std::vector<float> sums, center;

  RunReader(std::int64_t channels_read, std::int64_t channels_a_group)
      : channels(channels_read),
        per_group(channels_a_group),
        sums(static_cast<std::size_t>(channels)),
        center(static_cast<std::size_t>(channels)) {}

  double group_sum(std::int64_t group) const {
    double sum = 0.0;
    for (std::int64_t c = group * per_group; c < (group + 1) * per_group; ++c) {
      sum += static_cast<double>(sums[static_cast<std::size_t>(c)]);
    }
    return sum;
  }

  // Merges the moments of at most kRun cells into each group's.
  void add(const float* x, std::int64_t cells, Moments* groups) {
    const std::int64_t group_count = channels / per_group;
    const auto count = static_cast<double>(cells * per_group);
    add_up(x, cells, [](float value, float /*center*/) { return value; });
    double means[kMaxGroups];
    for (std::int64_t g = 0; g < group_count; ++g) {
      means[g] = group_sum(g) / count;
      std::fill_n(center.begin() + g * per_group, per_group, static_cast<float>(means[g]));
    }
    add_up(x, cells, [](float value, float middle) { return (value - middle) * (value - middle); });
    for (std::int64_t g = 0; g < group_count; ++g) {
      const double rounded = means[g] - static_cast<double>(center[static_cast<std::size_t>(g * per_group)]);
      groups[g].merge({count, means[g], std::max(0.0, group_sum(g) - count * rounded * rounded)});
    }
  }

  template <typename Term>
  void add_up(const float* x, std::int64_t cells, const Term& term) {
    float* sum = sums.data();
    const float* middle = center.data();
    std::fill_n(sum, channels, 0.0F);
    for (std::int64_t cell = 0; cell < cells; ++cell) {
      for (std::int64_t c = 0; c < channels; ++c) sum[c] += term(x[cell * channels + c], middle[c]);
    }
  }

  static constexpr std::int64_t kMaxGroups = 64;
};

}  // namespace

GroupNormTerms group_norm_terms(View<const float> x, int groups, View<const float> weight, View<const float> bias,
                                float epsilon) {
  const std::int64_t channels = x.size(2);
  const std::int64_t cells = x.size(0) * x.size(1);
  SCALEKV_ASSERT(x.contiguous() && groups <= RunReader::kMaxGroups && channels % groups == 0);
  SCALEKV_ASSERT(weight.elements() == channels && bias.elements() == channels);

  // Tasks do not depend on the threads and are merged in order.
  const std::int64_t tasks = ceil_divide(cells, kTask);
  std::vector<Moments> partial(static_cast<std::size_t>(tasks * groups));
  parallel_for(tasks, [&](std::int64_t task) {
    RunReader reader(channels, channels / groups);
    const std::int64_t end = std::min(cells, (task + 1) * kTask);
    for (std::int64_t cell = task * kTask; cell < end; cell += kRun) {
      reader.add(x.data() + cell * channels, std::min(kRun, end - cell), partial.data() + task * groups);
    }
  });

  GroupNormTerms terms;
  for (std::int64_t g = 0; g < groups; ++g) {
    Moments whole;
    for (std::int64_t task = 0; task < tasks; ++task) whole.merge(partial[static_cast<std::size_t>(task * groups + g)]);
    const double deviation = std::sqrt(whole.squares / whole.count + static_cast<double>(epsilon));
    for (std::int64_t c = g * (channels / groups); c < (g + 1) * (channels / groups); ++c) {
      terms.center.push_back(static_cast<float>(whole.mean));
      terms.factor.push_back(static_cast<float>(static_cast<double>(weight.data()[c]) / deviation));
      terms.offset.push_back(bias.data()[c]);
    }
  }
  return terms;
}

}  // namespace scalekv::kernels
