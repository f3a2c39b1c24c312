# shellcheck shell=bash disable=SC2034
# What the tests of the command line have in common: the program that is their first argument, an empty folder to work in,
# and what is expected of a call. They end with: exit $failed
set -uo pipefail
scalekv=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

fault() { echo "FAILED: $*"; failed=1; }

# expect CODE PATTERN -- ARGUMENTS: exit code, and a pattern in what it says: on standard error in one line that begins
# with the program's name where it failed (beside the note of metrics that have no networks). Leaves stdout and stderr in files of these names.
expect() {
  local code=$1 pattern=$2
  shift 3
  "$scalekv" "$@" >stdout 2>stderr </dev/null
  local got=$? where=(stdout stderr)
  [ "$code" -eq 0 ] || where=(stderr)
  if [ $got -ne "$code" ]; then
    fault "exit $got instead of $code: scalekv $* $(head -c 300 stderr)"
  elif ! grep -qE -- "$pattern" "${where[@]}"; then
    fault "no '$pattern' from: scalekv $* $(head -c 300 stderr)"
  elif [ "$code" -ne 0 ] && { [ "$(grep -vc '^scalekv: without ' stderr)" -ne 1 ] || ! grep -q '^scalekv: ' stderr; }; then
    fault "not one line: scalekv $* $(head -c 300 stderr)"
  elif [ "$code" -ne 0 ] && ls ./*.part* >/dev/null 2>&1; then
    fault "half a file is left by: scalekv $*"
  else
    echo "ok: $code $(head -c 120 stderr | head -n 1)"
  fi
}

# has KEY...: the JSON report on stdout has the keys.
has() {
  for key in "$@"; do grep -q "\"$key\"" stdout || fault "no $key in the report"; done
}
# number KEY: its value in the report.
number() { sed -n "s/^ *\"$1\": \([0-9.]*\).*/\1/p" stdout | head -n 1; }
