#!/usr/bin/env bash
# Runs a command on a copy of this working tree inside a bare tree of a Debian release, so that one machine can build
# and test for several. Usage: tools/in_tree.sh RELEASE COMMAND...   (tools/in_tree.sh trixie make test)
# The tree is made once, by debootstrap, and kept in ${XDG_CACHE_HOME:-~/.cache}/scalekv/trees/RELEASE with the packages
# and build folders of earlier runs; remove that folder to begin anew. Needs root, debootstrap and Debian's packages.
set -euo pipefail

refuse() { echo "in_tree.sh: $*" >&2; exit 1; }
[ $# -ge 2 ] || { echo "usage: tools/in_tree.sh RELEASE COMMAND... (for instance: trixie make test)" >&2; exit 2; }
[[ $1 =~ ^[a-z]+$ ]] || { echo "in_tree.sh: '$1' is no name of a Debian release" >&2; exit 2; }
[ "$(id -u)" -eq 0 ] || refuse "run as root: chroot and mount need it"
for tool in debootstrap unshare flock git; do
  command -v $tool >/dev/null || refuse "$tool is missing; apt-get install debootstrap util-linux git"
done
# All mounts are made in a namespace of our own: they are gone with the last process in it.
if [ -z "${SCALEKV_IN_TREE:-}" ]; then
  SCALEKV_IN_TREE=1 exec unshare -m -- "$0" "$@"
fi

release=$1
shift
source=$(cd "$(dirname "$0")/.." && pwd)
tree=${XDG_CACHE_HOME:-$HOME/.cache}/scalekv/trees/$release
mkdir -p "$(dirname "$tree")"
exec 9>"$tree.lock"
flock 9  # one run at a time in a tree

if [ ! -d "$tree" ]; then
  # The mirror that this machine uses for Debian, where it uses one.
  # shellcheck disable=SC2016  # apt's own variable
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 2>/dev/null | head -n 1 || true)
  echo "in_tree.sh: making a tree of $release in $tree"
  rm -rf "$tree.new"
  debootstrap --variant=minbase "$release" "$tree.new" "${mirror:-http://deb.debian.org/debian}" >"$tree.log" 2>&1 ||
    refuse "debootstrap cannot make a tree of $release; the end of $tree.log: $(tail -n 2 "$tree.log" | tr '\n' ' ')"
  mv "$tree.new" "$tree"
fi

# What this machine needs to reach its mirror, the tree needs, too.
cp -L /etc/resolv.conf /etc/hosts "$tree/etc/"
apt-config dump 2>/dev/null | grep -E '^Acquire::(https?|Retries|Check|ForceIP)' >"$tree/etc/apt/apt.conf.d/90host" || true
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
  mkdir -p "$tree/etc/ssl/certs"
  cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
fi
environment=(HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [ -z "${!name:-}" ] || environment+=("$name=${!name}")
done
mount -t proc proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount --rbind /dev "$tree/dev"

# The files that git knows or would take, as they are now; times are kept, so that only what changed is built again.
copy=$tree/src/scalekv
mkdir -p "$copy/.git" "$tree/src/shared"
find "$copy" -mindepth 1 -maxdepth 1 ! -name build ! -name .git -exec rm -rf {} +
git -C "$source" ls-files -z --cached --others --exclude-standard |
  (cd "$source" && while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done) |
  tar -C "$source" --null -T - -cf - | tar -C "$copy" -xf -
mount --bind -o ro "$(git -C "$source" rev-parse --absolute-git-dir)" "$copy/.git"
# Fixtures that are not in the repository, where they lie beside it.
if [ -d "$source/../shared" ]; then mount --bind -o ro "$source/../shared" "$tree/src/shared"; fi

# Objects are shared with earlier runs where this machine has ccache.
if command -v ccache >/dev/null; then
  mkdir -p "$(ccache -k cache_dir)" "$tree/root/.cache/ccache"
  mount --bind "$(ccache -k cache_dir)" "$tree/root/.cache/ccache"
  chroot "$tree" env -i "${environment[@]}" sh -c \
    'command -v ccache || { apt-get update -q && apt-get install -y -q --no-install-recommends ccache; }' >/dev/null
  environment+=(CMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
exec chroot "$tree" env -i -C /src/scalekv "${environment[@]}" "$@"
