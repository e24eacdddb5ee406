#!/usr/bin/env bash
# needs.sh PACKAGE=PROGRAM ...: installs the packages whose programs are missing where it may; elsewhere it names them.
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"
missing=()
for need in "$@"; do command -v "${need#*=}" >/dev/null || missing+=("${need%%=*}"); done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "emulated board: missing: ${missing[*]} (as root on Debian: apt-get install ${missing[*]})" >&2
  exit 1
fi
echo "emulated board: installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
