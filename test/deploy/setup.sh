#!/usr/bin/env bash
# Installs what the deployment tests need from Debian, and makes the root file system that they install packages into.
# Prints its archive's path: built once into a cache outside the checkout, and again after a month.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/fieldpost"
say() { echo "deployment tests: $*" >&2; }

# Package by package: what tells that it is there.
declare -A needs=(
  [mmdebstrap]=mmdebstrap [lintian]=lintian [systemd]=systemd-analyze [qemu-user-static]=qemu-aarch64-static
  [g++]=g++ [g++-aarch64-linux-gnu]=aarch64-linux-gnu-g++ [g++-arm-linux-gnueabihf]=arm-linux-gnueabihf-g++
  [mtools]=mcopy [cloud-init]=cloud-init [dosfstools]=mkfs.fat [openssh-server]=sshd [openssh-client]=ssh
)
PATH="$PATH:/usr/sbin:/sbin"
missing=()
for package in "${!needs[@]}"; do command -v "${needs[$package]}" >/dev/null || missing+=("$package"); done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]} (as root on Debian: apt-get install ${missing[*]})"
    exit 1
  fi
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$cache"
key="$({ cat "$here/setup.sh"; date +%Y-%m; } | sha256sum | cut -c1-12)"
root="$cache/debian13-amd64-$key.tar"
if [ ! -e "$root" ]; then
  say "making a Debian 13 root file system"
  rm -f "$cache"/debian13-amd64-*.tar
  mmdebstrap --quiet --variant=minbase --include=systemd,init-system-helpers,udev,nodejs,openssh-server,sudo trixie "$root.new.tar" >&2
  mv "$root.new.tar" "$root"
fi
echo "$root"
