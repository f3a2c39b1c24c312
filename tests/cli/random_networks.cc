// Writes the networks of the metrics with random weights (support/random_networks.h): random_networks DATA OUT makes
// OUT/lpips.safetensors and OUT/inception.safetensors of DATA/metrics/shapes.json.
#include "support/random_networks.h"
#include "runtime/runtime.h"

#include <exception>

#include "formats/safetensors_writer.h"

namespace {

using scalekv::testing::PhiloxSource;

void write(const std::filesystem::path& path, const PhiloxSource& source) {
  scalekv::formats::SafetensorsWriter writer(path, source.tensors(), {});
  for (const scalekv::formats::TensorInfo& info : source.tensors()) {
    const scalekv::Tensor tensor = source.load(info);
    writer.append({static_cast<const std::byte*>(tensor.raw()), static_cast<std::size_t>(tensor.bytes())});
  }
  writer.finish();
}

}  // namespace

int main(int argc, char** argv) {
  scalekv::Runtime runtime;
  const scalekv::Runtime::Scope scope(runtime);
  if (argc != 3) return 2;
  const std::filesystem::path data = argv[1], out = argv[2];
  try {
    const auto lpips = scalekv::testing::random_network(data, "alexnet");
    scalekv::testing::add_random_heads(*lpips);
    write(out / "lpips.safetensors", *lpips);
    write(out / "inception.safetensors", *scalekv::testing::random_network(data, "inception"));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
