#include <algorithm>
#include <cmath>
#include <regex>

#include "base/error.h"
#include "golden/checks.h"
#include "infinity/sampler.h"
#include "support/masked_logits.h"

namespace scalekv::golden {

void check_sampler(const Fixture& fixture, Report& report) {
  static const std::regex kName(R"((.+)\.k(\d+)_p([\d.]+?)(\.probs)?)");
  for (const std::string& name : fixture.names()) {
    std::smatch parts;
    if (!std::regex_match(name, parts, kName) || !fixture.has(parts[1].str() + ".in")) continue;
    const std::string input = parts[1].str() + ".in";
    report.input(input);
    Numbers logits = fixture.numbers(input);
    const std::int64_t values = logits.shape[logits.shape.rank() - 1];
    const View<float> rows(logits.values.data(), Shape{logits.shape.elements() / values, values});
    using Share = decltype(infinity::SamplingOptions::top_p);
    infinity::mask_logits(rows,
                          {.top_k = std::stoi(parts[2].str()), .top_p = static_cast<Share>(std::stod(parts[3].str()))});
    if (parts[4].matched) {
      for (std::int64_t row = 0; row < rows.size(0); ++row) {
        float* first = rows.at(row, 0);
        const float top = *std::max_element(first, first + values);
        float total = 0.0F;
        for (std::int64_t v = 0; v < values; ++v) total += first[v] = std::exp(first[v] - top);
        for (std::int64_t v = 0; v < values; ++v) first[v] /= total;
      }
    }
    report.compare(name, fixture.numbers(name).values, logits.values);
  }
}

}  // namespace scalekv::golden
