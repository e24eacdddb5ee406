#!/usr/bin/env bash
# Gets Debian 13's QEMU for ARM and prints the folder: Debian 12's has no I2C controllers of the Raspberry Pi. Made once a
# month into a cache outside the checkout.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/fieldpost"
say() { echo "emulated board: $*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(uname -m)" = x86_64 ] || fail "needs an x86_64 machine"
"$here/needs.sh" mmdebstrap=mmdebstrap

mkdir -p "$cache"
key="$({ cat "$here/emulator.sh"; date +%Y-%m; } | sha256sum | cut -c1-12)"
result="$cache/emulator-$key"
if [ ! -e "$result" ]; then
  say "getting the emulator"
  rm -rf "$cache"/emulator-*
  work="$(mktemp -d "$cache/emulator-building.XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  mmdebstrap --quiet --variant=minbase --include=qemu-system-arm trixie "$work/emulator.tar" >&2
  mkdir "$work/emulator"
  tar -C "$work/emulator" -xf "$work/emulator.tar" --exclude='./dev/*'
  mv -T "$work/emulator" "$result"
fi
echo "$result"
