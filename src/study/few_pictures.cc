#include "study/few_pictures.h"

#include <fmt/format.h>

#include "study/inception.h"
#include "study/kernel_distance.h"

namespace scalekv::study {

std::string why_not_measured(std::int64_t pictures) {
  return pictures > 1 ? "" : fmt::format("it needs at least 2 pictures in each folder, not {}", pictures);
}

std::vector<std::string> remarks_on_few(std::int64_t pictures, bool kid) {
  std::vector<std::string> remarks;
  if (pictures < 2) return remarks;
  if (pictures < Inception::kFeatures) {
    remarks.push_back(
        fmt::format("FID of {} pictures is too large by an unknown amount: it needs more than the {} features it "
                    "compares, and 10,000 or more are usual; compare it with FID of as many pictures only",
                    pictures, Inception::kFeatures));
  }
  if (kid && pictures < kLargestSubset) {
    remarks.push_back(
        fmt::format("KID of {} pictures varies much with which they are: its subsets should hold {} pictures", pictures,
                    kLargestSubset));
  }
  return remarks;
}

}  // namespace scalekv::study
