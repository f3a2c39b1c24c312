#include "cli/run_settings.h"

#include "base/numbers.h"

namespace scalekv::cli {

void keep_random_seed(RequestOptions& options, const Settings& recorded) {
  const auto seed = recorded.find("seed");
  if (!options.random_seed || seed == recorded.end()) return;
  options.request.seed = find_number<std::uint64_t>(seed->second).value_or(options.request.seed);
}

}  // namespace scalekv::cli
