#!/bin/sh
# Written by "fieldpost flash". Runs once, at the first boot, as root, without a network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
say() { echo "fieldpost: $*"; echo "$*" >>"$here/install.log"; }
trap 'say "not installed: step \"$step\" failed"' EXIT

step="package"
DEBIAN_FRONTEND=noninteractive dpkg -i "$here/"fieldpost_0.1.0_arm64.deb

step="configuration"
install -d -m 0750 -o root -g fieldpost /etc/fieldpost
for file in "$here"/config/*; do
  [ ! -e "$file" ] || install -m 0640 -o root -g fieldpost "$file" /etc/fieldpost/
done

step="secrets"
install -d -m 0700 /etc/fieldpost/credentials
for file in "$here"/secrets/*; do
  [ ! -e "$file" ] || install -m 0600 -o root -g root "$file" /etc/fieldpost/credentials/
done
install -d /etc/systemd/system/fieldpost.service.d
cat >/etc/systemd/system/fieldpost.service.d/50-credentials.conf <<'END'
[Service]
LoadCredential=mqtt_password:/etc/fieldpost/credentials/mqtt_password
END

step="service"
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl enable fieldpost
  systemctl restart --no-block fieldpost
else
  systemctl enable fieldpost
fi

# What was for this once only. Whoever takes the card out finds no secret on it.
sync
rm -rf "$here/secrets" "$here/config" "$here/"fieldpost_0.1.0_arm64.deb
rm -f "$here/../network-config"
sync
trap - EXIT
say "installed"
