#!/usr/bin/env bash
# Makes a Debian 13 for 64-bit ARM that boots with its own systemd on QEMU's board "virt", and prints the folder: kernel,
# initrd, disk.ext4 and board.dtb. What was only unpacked here is configured by the emulated machine itself, so nothing of
# another architecture has to run on this one. Made once a month into a cache outside the checkout; some minutes.
# usage: setup.sh EMULATOR, what emulator.sh printed
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
emulator="$1"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/fieldpost"
PATH="$PATH:/usr/sbin:/sbin"
say() { echo "emulated Debian: $*" >&2; }
fail() { say "$*"; exit 1; }

"$here/../needs.sh" mmdebstrap=mmdebstrap debootstrap=debootstrap device-tree-compiler=dtc busybox-static=busybox \
  e2fsprogs=mke2fs xz-utils=xz
[ "$(id -u)" -eq 0 ] || fail "needs root: the files of a system belong to several users"

mkdir -p "$cache"
key="$({ cat "$here"/{setup.sh,initrd-init,second-stage,wiring.dts}; date +%Y-%m; } | sha256sum | cut -c1-12)"
result="$cache/debian13-arm64-$key"
if [ -e "$result" ]; then
  echo "$result"
  exit 0
fi
rm -rf "$cache"/debian13-arm64-*
work="$(mktemp -d "$cache/debian13-arm64-building.XXXXXX")"
trap 'rm -rf "$work"' EXIT

say "getting the kernel"
mmdebstrap --quiet --variant=extract --architectures=arm64 --include=linux-image-arm64,busybox-static trixie "$work/kernel.tar" >&2
mkdir "$work/kernel.d"
tar -C "$work/kernel.d" -xf "$work/kernel.tar" --exclude='./dev/*'
cp "$work"/kernel.d/boot/vmlinuz-* "$work/kernel"

say "getting the system"
debootstrap --foreign --arch=arm64 --variant=minbase \
  --include=systemd-sysv,systemd-timesyncd,udev,init-system-helpers,kmod,iproute2,gpiod,qemu-guest-agent \
  --keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$work/root" http://deb.debian.org/debian >"$work/log" ||
  { tail "$work/log" >&2; fail "debootstrap failed"; }
cp -r "$work"/kernel.d/usr/lib/modules "$work/root/usr/lib/"
install -m 755 "$here/second-stage" "$work/root/"
mke2fs -q -t ext4 -d "$work/root" "$work/disk.ext4" 1600M

mkdir -p "$work"/initrd.d/{bin,dev,proc,sys,root}
cp "$work/kernel.d/usr/bin/busybox" "$work/initrd.d/bin/"
for module in crc32c_generic crc16 mbcache jbd2 ext4 virtio_blk; do
  xz -dc "$(find "$work/kernel.d/usr/lib/modules" -name "$module.ko.xz")" >"$work/initrd.d/$module.ko"
done
install -m 755 "$here/initrd-init" "$work/initrd.d/init"
(cd "$work/initrd.d" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/initrd"

qemu() {
  "$emulator/lib64/ld-linux-x86-64.so.2" --library-path "$emulator/usr/lib/x86_64-linux-gnu" \
    "$emulator/usr/bin/qemu-system-aarch64" -L "$emulator/usr/share/qemu" \
    -cpu cortex-a53 -smp 2 -m 1024 -display none -nic none "$@"
}
# The emulator's own description of its board, and what the test wires to the pins.
qemu -machine "virt,dumpdtb=$work/virt.dtb" 2>/dev/null
{ dtc -q -I dtb -O dts "$work/virt.dtb"; cat "$here/wiring.dts"; } |
  sed "s/PL061/0x$(dtc -q -I dtb -O dts "$work/virt.dtb" | sed -n '/pl061@/,/}/ s/.*[^,]phandle = <0x\([0-9a-f]*\)>.*/\1/p')/" |
  dtc -q -I dts -O dtb -o "$work/board.dtb"

say "letting the system configure itself (some minutes)"
qemu -machine virt -no-reboot -kernel "$work/kernel" -initrd "$work/initrd" \
  -append "console=ttyAMA0 quiet panic=-1 then=/second-stage" \
  -drive "file=$work/disk.ext4,format=raw,if=virtio,cache=unsafe" -serial "file:$work/console"
grep -q '^second stage: done' "$work/console" || { tail -n 30 "$work/console" >&2; fail "the second stage failed"; }

rm -rf "$work"/{kernel.d,kernel.tar,root,initrd.d,virt.dtb,log}
mv -T "$work" "$result"
say "done: $result"
echo "$result"
