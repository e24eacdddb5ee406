#!/usr/bin/env bash
# Gets what an emulated Raspberry Pi 3 needs, all of it from Debian 13: a kernel, and a root
# file system of Node.js, mosquitto and busybox. Prints the folder; made once a month into a cache outside the checkout.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/fieldpost"
say() { echo "emulated board: $*" >&2; }

"$here/needs.sh" mmdebstrap=mmdebstrap binutils=readelf busybox-static=busybox xz-utils=xz \
  gcc-aarch64-linux-gnu=aarch64-linux-gnu-gcc g++-aarch64-linux-gnu=aarch64-linux-gnu-g++

mkdir -p "$cache"
key="$({ cat "$here/setup.sh"; date +%Y-%m; } | sha256sum | cut -c1-12)"
result="$cache/board-$key"
if [ -e "$result/base.cpio" ]; then
  echo "$result"
  exit 0
fi
rm -rf "$cache"/board-*
work="$(mktemp -d "$cache/board-building.XXXXXX")"
trap 'rm -rf "$work"' EXIT

# Extracted and not installed: nothing of another architecture has to run here.
say "getting the board's kernel and programs"
mmdebstrap --quiet --variant=extract --architectures=arm64 \
  --include=linux-image-arm64,nodejs,mosquitto,mosquitto-clients,busybox-static trixie "$work/root.tar" >&2
mkdir "$work/root" "$work/base"
tar -C "$work/root" -xf "$work/root.tar" --exclude='./dev/*'
from="$work/root/usr"
to="$work/base/usr"
libraries=lib/aarch64-linux-gnu

# A program's libraries, and theirs.
copy_libraries() {
  local name path
  for name in $(readelf -d "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'); do
    [ ! -e "$to/$libraries/$name" ] || continue
    path="$(find "$from/$libraries" "$from/lib" -maxdepth 1 -name "$name" | head -n 1)"
    cp -L "$path" "$to/$libraries/$name"
    copy_libraries "$path"
  done
}

mkdir -p "$to"/{bin,share} "$to/$libraries" "$work/base"/{dev,etc,proc,run,sys,tmp}
ln -s usr/bin usr/lib "$work/base/"
for program in bin/node sbin/mosquitto bin/mosquitto_sub bin/mosquitto_pub; do
  cp "$from/$program" "$to/bin/"
  copy_libraries "$from/$program"
done
cp -L "$from/$libraries/ld-linux-aarch64.so.1" "$to/lib/"
cp "$from/bin/busybox" "$to/bin/"
ln -s busybox "$to/bin/sh"
cp -r "$from/share/nodejs" "$to/share/"
for module in i2c-dev i2c-bcm2835; do
  xz -dc "$(find "$from/lib/modules" -name "$module.ko.xz")" >"$to/lib/$module.ko"
done
echo 'root:x:0:0::/:/bin/sh' >"$work/base/etc/passwd"

cp "$work"/root/boot/vmlinuz-* "$work/kernel"
cp "$from"/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb "$work/board.dtb"
(cd "$work/base" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/base.cpio"
rm -rf "$work"/{root,root.tar,base}
mv -T "$work" "$result"
say "done: $result"
echo "$result"
