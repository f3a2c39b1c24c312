// Draws one picture with the embedded model: minimal "two red circles" circles.png
#include <scalekv/scalekv.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: minimal PROMPT FILE.png\n");
    return 2;
  }
  try {
    scalekv::Pipeline pipeline = scalekv::Pipeline::open();
    pipeline.generate({.prompt = argv[1], .seed = 1}).write(argv[2]);
  } catch (const scalekv::Error& error) {
    std::fprintf(stderr, "minimal: %s\n", error.what());
    return 1;
  }
}
