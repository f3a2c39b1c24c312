#!/usr/bin/env bash
# Makes an archive that runs wherever the C library is as new as here: the program, its libraries and their licences.
# Usage: packaging/tarball.sh <build folder>   (the archive is put there)
set -euo pipefail
build=$1
command -v patchelf >/dev/null || { echo "tarball.sh: patchelf is missing; install the package patchelf" >&2; exit 1; }
name="$("$build/scalekv" --version | head -n 1 | tr ' ' -)-linux-$(uname -m)"
archive="$build/$name.tar.gz"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
top="$work/$name"

cmake --install "$build" --prefix "$top" --component scalekv --strip >/dev/null
mkdir -p "$top/lib" "$top/licences"

# The C library's own parts stay the system's: they fit its kernel and its loader.
system='^(linux-vdso|ld-linux|libc|libm|libdl|libpthread|librt)[.-]'
copy_libraries() {
  ldd "$1" | awk '$3 ~ /^\// {print $1, $3}' | while read -r soname path; do
    if [[ $soname =~ $system ]] || [ -e "$top/lib/$soname" ]; then continue; fi
    copy_library "$soname" "$path"
  done
}
# Debian's packages still list files of /usr/lib as of /lib.
owner() { { dpkg-query -S "$1" || dpkg-query -S "${1#/usr}"; } 2>/dev/null | head -n 1 | cut -d: -f1; }
copy_library() {
  cp -L "$2" "$top/lib/$1"
  local package
  package=$(owner "$(realpath "$2")")
  cp "/usr/share/doc/$package/copyright" "$top/licences/$package"
}
copy_libraries "$top/bin/scalekv"
# oneDNN is opened as the program runs.
onednn=$(strings -a "$top/bin/scalekv" | grep -o '^libdnnl\.so[.0-9]*$' | sort -u)
path=$(ldconfig -p | awk -v soname="$onednn" '$1 == soname && !path {path = $NF} END {print path}')
copy_library "$onednn" "$path"
copy_libraries "$path"
# DT_RPATH rather than DT_RUNPATH: it holds for the libraries' own libraries, too.
patchelf --force-rpath --set-rpath "\$ORIGIN/../lib" "$top/bin/scalekv"

tar -C "$work" --owner=0 --group=0 --sort=name -czf "$archive" "$name"
echo "$archive: $(du -h "$archive" | cut -f1), $(find "$top/lib" -type f | wc -l) libraries"
