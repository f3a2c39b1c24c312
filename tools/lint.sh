#!/usr/bin/env bash
# Formatting, rooms, size of the test data, clang-tidy (with functions of more than 60 lines), shell scripts. Exits non-zero on any finding.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
check() {
  local name=$1
  shift
  if "$@"; then echo "lint: $name ok"; else echo "lint: $name FAILED"; failed=1; fi
}

# advise TOOL COMMAND...: a check whose findings hang on the version of the tool: those of version 14 count, others are
# shown.
advise() {
  local tool=$1 version
  shift
  version=$("$tool" --version | grep -oE 'version [0-9]+' | head -n 1 | cut -d ' ' -f 2)
  if [ "$version" = 14 ]; then check "$tool" "$@"
  elif "$@"; then echo "lint: $tool ok"
  else echo "lint: $tool is version $version, which finds the above; only what version 14 finds counts"; fi
}

mapfile -t sources < <(git ls-files '*.cc' '*.h')
advise clang-format clang-format --dry-run --Werror "${sources[@]}"
check "rooms" python3 tools/check_includes.py
check "tests/data under 2 MB" test "$(git ls-files -z tests/data | xargs -0 cat | wc -c)" -lt 2000000
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
check "shellcheck" shellcheck "${scripts[@]}"

# clang-tidy wants the commands of a Clang build (GCC's flags are not all known to it); nothing is compiled for it. The
# files of a room are read together: their headers, most of the work, then once. One instruction set stands for all.
cmake --preset lint >/dev/null
mapfile -t together < <(python3 -c 'import json; print("\n".join(e["file"] for e in json.load(open("build/lint/compile_commands.json")) if e["file"].endswith((".cc", ".cxx"))))')
# shellcheck disable=SC2317  # advise calls it
tidy() {
  printf '%s\n' "${together[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy -p build/lint --quiet \
    --checks=-bugprone-suspicious-include --extra-arg=-DHWY_COMPILE_ONLY_STATIC 2>/dev/null
}
advise clang-tidy tidy
exit $failed
