#!/usr/bin/env bash
# Formatting, rooms, clang-tidy, shell scripts. Exits non-zero on any finding.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
check() {
  local name=$1
  shift
  if "$@"; then echo "lint: $name ok"; else echo "lint: $name FAILED"; failed=1; fi
}

mapfile -t sources < <(git ls-files '*.cc' '*.h')
check "clang-format" clang-format-14 --dry-run --Werror "${sources[@]}"
check "rooms" python3 tools/check_includes.py
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
check "shellcheck" shellcheck "${scripts[@]}"

# clang-tidy wants the commands of a Clang build (GCC's flags are not all known to it); nothing is compiled for it.
cmake --preset clang >/dev/null
mapfile -t product < <(git ls-files 'src/*.cc')
if printf '%s\n' "${product[@]}" | xargs -P "$(nproc)" -n 2 clang-tidy-14 -p build/clang --quiet 2>/dev/null; then
  echo "lint: clang-tidy ok"
else
  echo "lint: clang-tidy FAILED"
  failed=1
fi
exit $failed
