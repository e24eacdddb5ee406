#!/usr/bin/env bash
# Builds the test kernel: Debian's Linux 6.12 as a process (User-Mode Linux), with the modules beside this script and
# the disk's write cache. Prints the folder that holds the result. Built once per state of its inputs: the kernel needs
# about four CPU minutes and 2.5 GB of disk while it lasts, a change of the modules some seconds.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/fieldpost"
source=linux-source-6.12

say() { echo "test kernel: $*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(uname -m)" = x86_64 ] || fail "needs an x86_64 machine: Linux runs as a process on x86 only"
command -v apt-get >/dev/null || fail "needs Debian: it builds Debian's $source"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then as_root=(sudo -n); else as_root=(false); fi
fi

# Package by package: what it is needed for.
declare -A needs=(
  [make]=make [gcc]=gcc [flex]=flex [bison]=bison [bc]=bc [xz-utils]=xz # the kernel's build
  [busybox-static]=busybox                                            # the guest's first steps
  [e2fsprogs]=mke2fs                                                  # its disk
)
PATH="$PATH:/usr/sbin:/sbin"
missing=()
for package in "${!needs[@]}"; do
  command -v "${needs[$package]}" >/dev/null || missing+=("$package")
done
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)

updated=
update_lists() {
  [ -z "$updated" ] || return 0
  [ "${as_root[*]:-}" != false ] || return 0
  say "updating the package lists"
  "${as_root[@]}" apt-get update -qq
  updated=yes
}

if [ ${#missing[@]} -gt 0 ]; then
  [ "${as_root[*]:-}" != false ] || fail "missing packages: ${missing[*]} (as root: apt-get install ${missing[*]})"
  update_lists
  say "installing ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

source_version() { apt-cache policy "$source" | sed -n 's/^ *Candidate: //p' | grep -v '(none)'; }
version="$(source_version)" || { update_lists; version="$(source_version)"; } ||
  fail "no package $source: needs Debian 12 with its security updates, or Debian 13"

# Two stages, each under a hash of what went into it: the kernel, with what of its source and its build a module needs;
# and the modules. Changing a module takes seconds.
key() { sha256sum | cut -c1-16; }
kernel_key="$({ echo "$version"; cat "$here/build-kernel.sh" "$here/kernel.config"; } | key)"
modules_key="$({ echo "$kernel_key"; cat "$here/wcache.c" "$here"/modules/{Makefile,*.c}; } | key)"
kernel="$cache/kernel-$kernel_key"
result="$cache/uml-$modules_key"

mkdir -p "$cache"
exec 9>"$cache/uml.lock"
flock -n 9 || { say "waiting for another build"; flock 9; }
if [ -e "$result/linux" ]; then
  echo "$result"
  exit 0
fi

# What a killed build left behind; ours is the only one.
rm -rf "$cache"/building.*
work="$(mktemp -d "$cache/building.XXXXXX")"
trap 'rm -rf "$work"' EXIT
log="$work/log"
step() {
  say "$1"
  shift
  "$@" >>"$log" 2>&1 9>&- || { tail -n 30 "$log" >&2; fail "failed: $*"; }
}

download() { cd "$work" && { apt-get download "$source=$version" || { update_lists && apt-get download "$source=$version"; }; }; }
unpack() { dpkg-deb -x "$work/$source"*.deb "$work" && tar -C "$work" -xJf "$work/usr/src/$source.tar.xz"; }

mend() {
  # A simulated line's edge is delivered at the next timer tick; at 100 Hz edges of 10 ms would merge.
  sed -i '/^config HZ$/,/default/ s/default 100/default 1000/' arch/um/Kconfig
  # The disk driver runs a request by its descriptors; a flush has none, so the host is never told to write.
  sed -i '/^int io_thread/,/^}/ s/^\t*io_count++;$/&\nif (req_op(req->req) == REQ_OP_FLUSH) do_io(req, NULL);/' \
    arch/um/drivers/ubd_kern.c
  [ "$(grep -c '^if (req_op(req->req) == REQ_OP_FLUSH) do_io' arch/um/drivers/ubd_kern.c)" = 1 ]
}

configure() {
  make ARCH=um O="$work/build" KCONFIG_ALLCONFIG="$here/kernel.config" allnoconfig
  # Kconfig drops silently what depends on something that is off.
  ! grep '^CONFIG_' "$here/kernel.config" | grep -vxFf "$work/build/.config"
}

# Of source and build, what compiling a module needs: headers, makefiles and the build's own programs.
trim() {
  find "$work/$source" -mindepth 1 -maxdepth 1 \
    ! -name Makefile ! -name Kbuild ! -name scripts ! -name include ! -name arch -exec rm -rf {} +
  find "$work/$source/arch" -mindepth 1 -maxdepth 1 ! -name um ! -name x86 -exec rm -rf {} +
  find "$work/$source/arch" -type f ! -name '*.h' ! -name 'Makefile*' ! -name '*.lds*' -delete
  find "$work/build" -type f \
    ! -path "$work/build/include/*" ! -path '*/include/generated/*' ! -path "$work/build/scripts/*" \
    ! -name .config ! -name Module.symvers ! -name Makefile -delete
}

build_kernel() {
  say "building $source $version (log: $log)"
  step "downloading the source" download
  step "unpacking it" unpack
  cd "$work/$source"
  step "mending it" mend
  step "configuring" configure
  step "compiling the kernel: a few minutes" make ARCH=um O="$work/build" -j"$(nproc)" linux modules
  mkdir "$work/kernel"
  strip -o "$work/kernel/linux" "$work/build/linux"
  cp "$work/build/drivers/i2c/i2c-stub.ko" "$work/build/drivers/watchdog/softdog.ko" "$work/kernel/"
  step "keeping what modules need" trim
  mv "$work/$source" "$work/kernel/source"
  mv "$work/build" "$work/kernel/build"
  mv -T "$work/kernel" "$kernel"
}

own_modules() {
  cp -r "$here/modules" "$work/modules"
  make -C "$kernel/source" ARCH=um O="$kernel/build" M="$work/modules" modules
}

[ -e "$kernel/linux" ] || build_kernel
step "compiling the modules" own_modules
step "compiling the disk's write cache" \
  gcc -shared -fPIC -O2 -Wall -Wextra -Werror -o "$work/wcache.so" "$here/wcache.c"

mkdir "$work/result"
ln "$kernel"/{linux,*.ko} "$work/result/"
cp "$work"/modules/*.ko "$work/wcache.so" "$work/result/"
mv -T "$work/result" "$result"
say "done: $result"
echo "$result"
