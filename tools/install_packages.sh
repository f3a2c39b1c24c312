#!/usr/bin/env bash
# Installs the packages of Debian or Ubuntu that the build and other work need and that are missing; says what it did.
# Usage: tools/install_packages.sh [build|test|lint|cross|package|emulate]...   (all include build)
set -euo pipefail

build=(g++ cmake ninja-build make pkg-config libdnnl-dev libtbb-dev libhwy-dev libutf8proc-dev
       nlohmann-json3-dev libcli11-dev libcsv-dev libfmt-dev libpng-dev libjpeg-dev libwebp-dev zlib1g-dev
       libssl-dev libeigen3-dev)
test=(libgtest-dev libbenchmark-dev libopenmpi-dev openmpi-bin)
lint=(clang clang-format clang-tidy libclang-rt-dev shellcheck python3 git)  # of the release's own version
cross=(g++-aarch64-linux-gnu qemu-user-static)
package=(patchelf dpkg-dev file binutils)
emulate=(bochs bochs-term bochsbios vgabios grub-pc-bin grub-common xorriso mtools busybox-static cpio)

wanted=("${build[@]}")
for group in "$@"; do
  case "$group" in
    build) ;;
    test) wanted+=("${test[@]}") ;;
    lint) wanted+=("${test[@]}" "${lint[@]}") ;;
    cross) wanted+=("${cross[@]}") ;;
    package) wanted+=("${package[@]}") ;;
    emulate) wanted+=("${emulate[@]}") ;;
    *) echo "install_packages.sh: there is no group '$group'; choose build, test, lint, cross, package or emulate" >&2; exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null; then
  echo "packages: this system has no apt-get; what the build misses, cmake names for Fedora, Arch and Homebrew"
  exit 0
fi
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
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" apt-get -q "$@" >>"$log" 2>&1; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
  echo "install_packages.sh: ${missing[*]} cannot be installed: $(grep -m 1 '^E: ' "$log" | cut -c 4-)" >&2
  exit 1
fi
echo "packages: done"
