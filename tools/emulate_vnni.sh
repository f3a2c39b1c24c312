#!/usr/bin/env bash
# Runs a program on a processor that this machine may not be: Bochs emulates an Ice Lake with AVX-512 VNNI, hundreds of
# times slower, which is enough for tests.
#   tools/emulate_vnni.sh build/release/tests/test_kernels --gtest_filter='Int8*'
# The program runs on one thread, with its libraries and no other file. Ends with the program's exit code.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: tools/emulate_vnni.sh PROGRAM [ARGUMENT...]" >&2; exit 2; }
program=$1
shift
[ -x "$program" ] || { echo "emulate_vnni.sh: $program is no program" >&2; exit 2; }

"$(dirname "$0")/install_packages.sh" emulate >&2

work=$(mktemp -d)
emulator=
trap '[ -z "$emulator" ] || kill -9 "$emulator" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir -p "$work"/{kernel,root/{bin,dev,proc,sys,tmp,lib64,lib/x86_64-linux-gnu},disc/boot/grub}

# A kernel as Debian ships it; only its image is used.
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
(cd "$work" && apt-get download "$kernel" >/dev/null 2>&1 && dpkg-deb -x ./*.deb kernel)
mv "$work"/kernel/boot/vmlinuz-* "$work/disc/boot/vmlinuz"

cp "$(command -v busybox)" "$work/root/bin/"
cp "$program" "$work/root/bin/program"
cp -L /lib64/ld-linux-x86-64.so.2 "$work/root/lib64/"
ldd "$program" | awk '/=>/ {print $3}' | xargs -I{} cp -L {} "$work/root/lib/x86_64-linux-gnu/"
cat >"$work/root/init" <<SCRIPT
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t sysfs sys /sys
export TERM=dumb LD_LIBRARY_PATH=/lib/x86_64-linux-gnu HOME=/tmp
/bin/program $(printf ' %q' "$@") >/dev/ttyS0 2>&1
echo "exit code \$?" >/dev/ttyS0
/bin/busybox sleep 1  # what the console still holds
/bin/busybox poweroff -f
SCRIPT
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc >"$work/disc/boot/initrd" 2>/dev/null)

# Bochs lays out the state of AVX-512 in one way and describes it in another, and announces fast short copies without
# fast copies: Linux is told to use none of it.
cat >"$work/disc/boot/grub/grub.cfg" <<'MENU'
set timeout=0
menuentry test {
 linux /boot/vmlinuz console=ttyS0 quiet loglevel=2 panic=5 mitigations=off tsc=reliable clearcpuid=pku,ospke,xsaves,xsavec,fsrm
 initrd /boot/initrd
}
MENU
grub-mkrescue -o "$work/disc.iso" "$work/disc" >/dev/null 2>&1

cat >"$work/bochsrc" <<MACHINE
cpu: model=corei7_icelake_u, ips=100000000, reset_on_triple_fault=0
memory: guest=2048, host=2048
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
display_library: rfb, options="timeout=0"
log: $work/log
panic: action=fatal
clock: sync=none
MACHINE
echo c >"$work/commands"  # Debian's Bochs is a debugger that waits to be told to continue
touch "$work/serial"
bochs -q -f "$work/bochsrc" -rc "$work/commands" </dev/null >/dev/null 2>&1 &
emulator=$!
tail -f --pid=$emulator "$work/serial" | sed -u 's/\r$//' || true
code=$(sed -n 's/^exit code \([0-9]*\).*/\1/p' "$work/serial" | tail -n 1)
[ -n "$code" ] || echo "emulate_vnni.sh: the emulated machine stopped before the program had ended" >&2
exit "${code:-1}"
