#!/usr/bin/env bash
# Installs a build, makes another project find it, and uses all of the library from there: run.sh <build folder> <C++ compiler> <model file>
set -euo pipefail
build=$1
compiler=$2
model=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/installed" >/dev/null
cmake -S "$here" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/installed" -DCMAKE_CXX_COMPILER="$compiler" >/dev/null
cmake --build "$work/build" >/dev/null
for format in png webp; do
  mkdir "$work/$format"
  [ "$("$work/build/consumer" "$work/picture.$format" "$work/$format" "$model")" = 128x128 ]
done
[ -s "$work/picture.png" ]
[ "$(head -c 4 "$work/picture.webp")" = RIFF ]
# The headers reach the standard library and each other, nothing else; and what only our sources need is not looked for.
"$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Werror -I "$work/installed/include" -fsyntax-only -H \
  "$here/main.cc" 2>"$work/included"
if grep -E '/(CLI|Eigen|nlohmann|fmt|hwy|tbb|oneapi)/|dnnl' "$work/included"; then exit 1; fi
if grep -E '^(CLI11|Eigen3|nlohmann_json)_DIR' "$work/build/CMakeCache.txt"; then exit 1; fi
"$work/installed/bin/scalekv" --version >/dev/null
# The MPI module lies where the program looks for it: without it, it says where that would be.
if [ -e "$build/scalekv-mpi.so" ]; then
  module=$(find "$work/installed" -name scalekv-mpi.so)
  rm "$module"
  OMPI_COMM_WORLD_SIZE=1 "$work/installed/bin/scalekv" sample --prompts any --out "$work/any" 2>&1 | grep -qF "nor $module;"
fi
