#!/usr/bin/env bash
# Installs a build, makes another project find it, and draws a picture from there: run.sh <build folder> <C++ compiler>
set -euo pipefail
build=$1
compiler=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/installed" >/dev/null
cmake -S "$here" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/installed" -DCMAKE_CXX_COMPILER="$compiler" >/dev/null
cmake --build "$work/build" >/dev/null
[ "$("$work/build/consumer" "$work/picture.png")" = 128x128 ]
[ -s "$work/picture.png" ]
[ "$("$work/build/consumer" "$work/picture.webp")" = 128x128 ]
[ "$(head -c 4 "$work/picture.webp")" = RIFF ]
"$work/installed/bin/scalekv" --version >/dev/null
