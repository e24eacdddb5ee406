#!/usr/bin/env bash
# Installs what the tests need from the system: a real mosquitto with its clients, and openssl for its test certificates.
# Does so only where it may (Debian, root, or sudo without a password); elsewhere it names what is missing.
set -euo pipefail

# Debian puts mosquitto into /usr/sbin, which is not on every user's PATH.
PATH="$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"

missing=()
command -v mosquitto >/dev/null || missing+=(mosquitto)
command -v mosquitto_pub >/dev/null || missing+=(mosquitto-clients)
command -v openssl >/dev/null || missing+=(openssl)
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if sudo -n true 2>/dev/null; then as_root=(sudo -n); else as_root=(false); fi
fi
if command -v apt-get >/dev/null && [ "${as_root[*]:-}" != false ]; then
  echo "setup: installing ${missing[*]}" >&2
  # The broker's own service must not start: the tests run theirs on free ports.
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  exit 0
fi

echo "setup: missing: ${missing[*]}. Install with your package manager (Debian: apt install ${missing[*]};" \
  "macOS: brew install ${missing[*]})." >&2
# A developer may still run what does not need them; in CI a missing part is a failure.
[ -z "${CI:-}" ]
