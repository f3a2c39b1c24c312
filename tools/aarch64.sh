#!/usr/bin/env bash
# Builds for 64-bit ARM beside the machine's own system and runs the kernels' tests and the demo under QEMU's user mode.
# Usage: tools/aarch64.sh [build folder]   (the folder defaults to build/aarch64)
# The libraries come from Debian's packages for arm64, laid out in a folder of their own that is kept between calls
# (in the user's cache folder): they cannot be installed beside those of another processor.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/aarch64}
tools/install_packages.sh cross

# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$ID-$VERSION_CODENAME")
tree="${XDG_CACHE_HOME:-$HOME/.cache}/scalekv/arm64-$release"
libraries=(libc6-dev "libstdc++-$(aarch64-linux-gnu-g++ -dumpversion)-dev" libdnnl-dev libtbb-dev libhwy-dev
           libutf8proc-dev nlohmann-json3-dev libcli11-dev libcsv-dev libfmt-dev libpng-dev libjpeg-dev libwebp-dev
           zlib1g-dev libssl-dev libeigen3-dev libgtest-dev)

make_tree() {
  local new="$tree.new"
  rm -rf "$new"
  mkdir -p "$new/apt/lists/partial" "$new/apt/archives/partial" "$new/root/usr/lib"
  touch "$new/apt/status"
  local apt=(apt-get -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$new/apt"
             -o Dir::State::status="$new/apt/status" -o Dir::Cache="$new/apt" -o APT::Sandbox::User=root
             -o Debug::NoLocking=1 -o APT::Install-Recommends=false)
  "${apt[@]}" update >/dev/null
  "${apt[@]}" install -y --download-only "${libraries[@]}" >/dev/null
  ln -s usr/lib "$new/root/lib"
  for package in "$new"/apt/archives/*.deb; do dpkg-deb -x "$package" "$new/root"; done
  rm -rf "$tree"
  mv "$new/root" "$tree"
  rm -rf "$new"
}
if [ ! -d "$tree" ]; then
  echo "aarch64: laying out Debian's libraries for arm64 in $tree"
  make_tree
fi

cmake -S . -B "$build" -G Ninja --toolchain cmake/aarch64-linux-gnu.cmake -DSCALEKV_SYSROOT="$tree" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_UNITY_BUILD=ON -DSCALEKV_TESTS=ON -DSCALEKV_BENCH=OFF >/dev/null
cmake --build "$build" --target scalekv_cli test_kernels
run=(qemu-aarch64-static -L "$tree" -cpu)
"${run[@]}" max "$build/scalekv" --version
# In as many parts as there are processors: emulated, they take minutes. Left out are those that compare numbers of
# threads and rows, which take most of the time and try the same code again, and what only concerns oneDNN.
parts=()
for ((i = 0; i < $(nproc); i++)); do
  GTEST_TOTAL_SHARDS=$(nproc) GTEST_SHARD_INDEX=$i "${run[@]}" neoverse-n1 "$build/tests/test_kernels" --gtest_brief=1 \
    --gtest_filter='-*RowsAndThreads*:*GroupsOfQueriesAndThreads*:*WhatIsPromisedIsWhatRuns' &
  parts+=($!)
done
for part in "${parts[@]}"; do wait "$part"; done
"${run[@]}" neoverse-n1 "$build/scalekv" generate "a red circle" --seed 7 -q -o "$build/circle.png"
echo "aarch64: the kernels' tests pass, and the demo's picture is at $build/circle.png"
