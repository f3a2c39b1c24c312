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

# expect CODE PATTERN -- ARGUMENTS: exit code, and a pattern in the one line on standard error.
expect() {
  local code=$1 pattern=$2
  shift 3
  "$scalekv" "$@" >stdout 2>stderr </dev/null
  local got=$?
  if [ $got -ne "$code" ]; then
    echo "FAILED: exit $got instead of $code: scalekv $* $(head -c 300 stderr)"
    failed=1
  elif ! grep -qE -- "$pattern" stderr stdout; then
    echo "FAILED: no '$pattern' from: scalekv $* $(head -c 300 stderr)"
    failed=1
  elif [ "$code" -ne 0 ] && ls ./*.part* >/dev/null 2>&1; then
    echo "FAILED: half a file is left by: scalekv $*"
    failed=1
  else
    echo "ok: $code $(head -c 120 stderr | head -n 1)"
  fi
}
