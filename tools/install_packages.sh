#!/usr/bin/env bash
# Installs the packages of Debian or Ubuntu that the build, the tests, the linters or the emulator need and that are missing; says what it did.
# Usage: tools/install_packages.sh [build|test|lint|emulate]...   (all include build)
set -euo pipefail

build=(g++ cmake ninja-build make pkg-config libdnnl-dev libtbb-dev ocl-icd-opencl-dev libhwy-dev libsentencepiece-dev
       libutf8proc-dev nlohmann-json3-dev libcli11-dev libcsv-dev libfmt-dev libpng-dev libjpeg-dev libwebp-dev zlib1g-dev
       libssl-dev libeigen3-dev libopenmpi-dev)
test=(libgtest-dev libbenchmark-dev openmpi-bin)
lint=(clang clang-format clang-tidy libomp-dev libclang-rt-dev shellcheck python3 git)  # of the release's own version
emulate=(bochs bochs-term bochsbios vgabios grub-pc-bin grub-common xorriso mtools busybox-static cpio)

wanted=("${build[@]}")
for group in "$@"; do
  case "$group" in
    build) ;;
    test) wanted+=("${test[@]}") ;;
    lint) wanted+=("${test[@]}" "${lint[@]}") ;;
    emulate) wanted+=("${emulate[@]}") ;;
    *) echo "install_packages.sh: there is no group '$group'; choose build, test, lint or emulate" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${wanted[@]}"; do
  # The status is asked for rather than the exit code: a removed package is still known.
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "packages: nothing is missing"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install_packages.sh: run as root, or install: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "packages: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q >/dev/null
"${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
echo "packages: done"
