// What a program outside this project needs: the public header and scalekv::scalekv.
#include <scalekv/scalekv.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  scalekv::Pipeline pipeline = scalekv::Pipeline::open();
  const scalekv::Request request{.prompt = "a red circle", .seed = 7, .cache = {.policy = "scalekv", .budget = 0.10}};
  const scalekv::Image image = pipeline.generate(request, [](const scalekv::Progress&) { return true; });
  image.write(argv[1], scalekv::with_parameters(pipeline.describe(request), image));
  std::printf("%lldx%lld\n", static_cast<long long>(image.width), static_cast<long long>(image.height));
}
