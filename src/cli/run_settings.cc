#include "cli/run_settings.h"

#include "base/numbers.h"
#include "engine/description.h"

namespace scalekv::cli {

Settings run_settings(Settings described, engine::Model& model) {
  described.merge(engine::describe_origin(model));
  for (const char* of_one_picture : {"prompt", "image", "kernels"}) described.erase(of_one_picture);
  return described;
}

void keep_random_seed(RequestOptions& options, const Settings& recorded) {
  const auto seed = recorded.find("seed");
  if (!options.random_seed || seed == recorded.end()) return;
  options.request.seed = find_number<std::uint64_t>(seed->second).value_or(options.request.seed);
}

}  // namespace scalekv::cli
