// What FID and KID of few pictures are worth.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace scalekv::study {

// Why there is no FID and KID of folders of so many pictures, the fewest of either side; empty where there can be.
std::string why_not_measured(std::int64_t pictures);

// A remark where a covariance of Inception's features cannot be of full rank (FID), and where KID's subsets are smaller
// than they should be. pictures: the fewest of either side; 0 where a file does not say.
std::vector<std::string> remarks_on_few(std::int64_t pictures, bool kid);

}  // namespace scalekv::study
