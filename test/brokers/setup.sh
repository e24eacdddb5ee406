#!/usr/bin/env bash
# Fetches the brokers that the interop tests start, from Debian, into a cache outside the checkout, and prints the folder.
# They are unpacked, not installed: no service starts, no user is made, and nothing of this needs root. Fetched once, and
# again after a month.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/fieldpost"
brokers=(rabbitmq-server nats-server)
say() { echo "broker tests: $*" >&2; }

if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  say "no apt-get here to fetch ${brokers[*]} with (they come as Debian's packages)"
  exit 1
fi
key="$({ cat "$here/setup.sh" /etc/os-release; dpkg --print-architecture; date +%Y-%m; } | sha256sum | cut -c1-12)"
folder="$cache/brokers-$key"
[ -e "$folder/complete" ] && { echo "$folder"; exit 0; }

mkdir -p "$cache"
work="$(mktemp -d "$cache/brokers-new-XXXXXX")"
trap 'rm -rf "$work"' EXIT
cd "$work"
# What they need and this machine does not have; what they only serve as a service is left out.
needed() {
  apt-get -s install --no-install-recommends "${brokers[@]}" 2>/dev/null |
    awk '/^Inst/ && $2 !~ /^(logrotate|adduser|init-system-helpers)$/ { print $2 }'
}
if ! list="$(needed)"; then
  [ "$(id -u)" -eq 0 ] || { say "apt-get knows no ${brokers[*]} (as root: apt-get update)"; exit 1; }
  apt-get update -qq >&2
  list="$(needed)"
fi
say "fetching ${brokers[*]}"
# shellcheck disable=SC2086
apt-get download -q $(printf '%s\n' $list "${brokers[@]}" | sort -u) >/dev/null 2>&1 ||
  { say "cannot download the packages"; exit 1; }
for package in *.deb; do dpkg-deb -x "$package" .; done
rm -- *.deb
# Erlang's launcher knows where it was meant to be installed.
erl=usr/lib/erlang/bin/erl
[ ! -e "$erl" ] || sed -i "s|/usr/lib/erlang|$folder/usr/lib/erlang|" "$erl"
touch complete
rm -rf "$folder"
mv -T "$work" "$folder"
find "$cache" -maxdepth 1 -name 'brokers-*' ! -path "$folder" -mtime +1 -exec rm -rf {} +
echo "$folder"
