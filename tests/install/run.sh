#!/usr/bin/env bash
# Installs a build and uses it as other projects do: by find_package and by pkg-config, shared and static, beside an
# OpenMP and a oneDNN of the program's own. Usage: run.sh <build folder> <C++ compiler> <model file>
set -euo pipefail
build=$1
compiler=$2
model=$3
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
work="$scratch/with a space"
mkdir "$work"

fail() { echo "FAILED: $*" >&2; exit 1; }

installed="$work/installed"
cmake --install "$build" --prefix "$installed" >/dev/null
library=$(find "$installed" -name libscalekv.so)
folder=$(dirname "${library:-$(find "$installed" -name libscalekv.a)}")
export PKG_CONFIG_PATH="$folder/pkgconfig"

# project NAME SOURCES OPTION...: configures and builds another project against what was installed.
project() {
  local name=$1 sources=$2
  shift 2
  cmake -S "$sources" -B "$work/$name" -DCMAKE_PREFIX_PATH="$installed" -DCMAKE_CXX_COMPILER="$compiler" "$@" >/dev/null
  cmake --build "$work/$name" >"$work/log" 2>&1 || { cat "$work/log"; fail "$name does not build"; }
}

# draws PROGRAM: uses all of the library, twice.
draws() {
  for format in png webp; do
    rm -rf "${work:?}/$format" && mkdir "$work/$format"
    "$1" "$work/picture.$format" "$work/$format" "$model" >"$work/log" || fail "$1 does not do all that it should"
    grep -qx 128x128 "$work/log" || fail "$1 draws no $format"
  done
  [ -s "$work/picture.png" ] || fail "$1 writes an empty picture"
  [ "$(head -c 4 "$work/picture.webp")" = RIFF ] || fail "$1 writes no WebP"
}

# --- the headers reach the standard library and each other, nothing else ---
"$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Werror -I "$installed/include" -fsyntax-only -H \
  "$here/main.cc" 2>"$work/included"
if grep -E '/(CLI|Eigen|nlohmann|fmt|hwy|tbb|oneapi)/|dnnl' "$work/included"; then fail "a header of another library"; fi

# --- what the project leaves with a program ---
project minimal "$here/../../examples/minimal"
"$work/minimal/minimal" "a red circle" "$work/minimal.png"
[ -s "$work/minimal.png" ] || fail "the example draws nothing"
if [ -n "$library" ]; then
  if grep -E '_DIR:PATH=' "$work/minimal/CMakeCache.txt" | grep -v '^scalekv_DIR'; then
    fail "a program that links the shared library looks for packages"
  fi
  nm -DC --defined-only "$library" | sed 's/^[0-9a-f]* //' >"$work/shown"
  if grep -vE '^[A-Z] (SCALEKV_0|((typeinfo|typeinfo name|vtable) for )?scalekv::[A-Z]|scalekv::[a-z_]+(\[abi:cxx11\])?\()' "$work/shown"
  then fail "the library shows more than its interface"; fi
  [ "$(wc -l <"$work/shown")" -gt 20 ] || fail "the library does not show its interface"
fi
flags=$(pkg-config --cflags scalekv)
[[ $flags = -I* && $flags != *" -"* ]] || fail "compile flags: $flags"
eval "\"$compiler\" -std=c++20 \"$here/main.cc\" $(pkg-config --cflags --libs scalekv) -Wl,-rpath,\"$folder\" -o \"$work/by-pkg-config\""
draws "$work/by-pkg-config"

# --- a program with an OpenMP and a oneDNN of its own; this one answers nothing ---
onednn=$(sed -n 's/^DNNL_INCLUDE_DIR:PATH=//p' "$build/CMakeCache.txt")/oneapi/dnnl
grep -ohE '\bdnnl_[a-z0-9_]+\(' "$onednn"/*.h | sort -u | tr -d '(' |
  sed 's/.*/void &(void) { __builtin_trap(); }/' >"$work/other.c"
grep -q dnnl_version "$work/other.c" || fail "no functions of oneDNN in $onednn"
other="$work/libdnnl.so.99"
"$compiler" -x c -shared -fPIC -Wno-builtin-declaration-mismatch -Wl,-soname,libdnnl.so.99 "$work/other.c" -o "$other"
project consumer "$here" -DOTHER_ONEDNN="$other"
draws "$work/consumer/consumer"
project static "$here" -DOTHER_ONEDNN="$other" -DSTATIC=ON
draws "$work/static/consumer"

"$installed/bin/scalekv" --version >/dev/null
for file in LICENSE THIRD_PARTY_NOTICES.md; do
  [ -s "$installed/share/doc/scalekv/$file" ] || fail "$file is not installed"
done
# The MPI module lies where the program looks for it: without it, it says where that would be.
if [ -e "$build/scalekv-mpi.so" ]; then
  module=$(find "$installed" -name scalekv-mpi.so)
  rm "$module"
  OMPI_COMM_WORLD_SIZE=1 "$installed/bin/scalekv" sample --prompts any --out "$work/any" 2>"$work/log" || true
  grep -qF "nor $module;" "$work/log" || fail "the MPI module is looked for elsewhere"
fi
