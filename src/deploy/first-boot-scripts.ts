import type { FirstBoot } from "./first-boot.ts";

/** A word of a POSIX shell that means just these characters. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Installs package, configuration and secrets from the boot partition, as root, and takes the secrets off it. It may run
 * again after it was cut short: what is done is not undone.
 */
export function installScript({
  package: { name },
  secrets,
}: Pick<FirstBoot, "package" | "secrets">): string {
  const names = [...secrets.keys()];
  const dropIn = names.map((secret) => `LoadCredential=${secret}:/etc/fieldpost/credentials/${secret}`);
  return `#!/bin/sh
# Written by "fieldpost flash". Runs once, at the first boot, as root, without a network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
say() { echo "fieldpost: $*"; echo "$*" >>"$here/install.log"; }
trap 'say "not installed: step \\"$step\\" failed"' EXIT

step="package"
DEBIAN_FRONTEND=noninteractive dpkg -i "$here/"${shellWord(name)}

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
${
  dropIn.length === 0
    ? ""
    : `install -d /etc/systemd/system/fieldpost.service.d
cat >/etc/systemd/system/fieldpost.service.d/50-credentials.conf <<'END'
[Service]
${dropIn.join("\n")}
END
`
}
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
rm -rf "$here/secrets" "$here/config" "$here/"${shellWord(name)}
rm -f "$here/../network-config"
sync
trap - EXIT
say "installed"
`;
}

/** Raspberry Pi OS 12: the kernel starts it instead of the system, and then boots again. */
export function firstRunScript(boot: FirstBoot): string {
  const { hostname, timezone, user, wifi } = boot;
  const host = shellWord(hostname);
  const name = shellWord(user.name);
  const keys = user.sshKeys.map((key) => shellWord(key)).join(" ");
  return `#!/bin/sh
# Written by "fieldpost flash". Runs once, at the first boot, as root.
set +e
helper=/usr/lib/raspberrypi-sys-mods/imager_custom

if [ -x "$helper" ]; then
  "$helper" set_hostname ${host}
else
  echo ${host} >/etc/hostname
  sed -i "s/^127\\.0\\.1\\.1.*/127.0.1.1\\t"${host}"/" /etc/hosts
fi
${timezone === undefined ? "" : `timedatectl set-timezone ${shellWord(timezone)} || ln -sf /usr/share/zoneinfo/${shellWord(timezone)} /etc/localtime\n`}
# The first user is the one that the image has, by the name that was asked for; there is no password.
first=$(getent passwd 1000 | cut -d: -f1)
if [ -n "$first" ] && [ "$first" != ${name} ]; then
  if [ -x /usr/lib/userconf-pi/userconf ]; then
    /usr/lib/userconf-pi/userconf ${name} '*'
  else
    usermod -l ${name} -m -d /home/${name} "$first"
    groupmod -n ${name} "$first"
  fi
fi
systemctl disable userconfig 2>/dev/null
${
  keys === ""
    ? ""
    : `home=$(getent passwd ${name} | cut -d: -f6)
install -d -m 700 -o ${name} -g ${name} "$home/.ssh"
printf '%s\\n' ${keys} >"$home/.ssh/authorized_keys"
chown ${name}:${name} "$home/.ssh/authorized_keys"
chmod 600 "$home/.ssh/authorized_keys"
systemctl enable ssh
`
}${wifi ? wifiSteps(wifi) : ""}
sh /boot/firmware/fieldpost/install.sh

# Not a second time.
rm -f /boot/firmware/firstrun.sh
sed -i 's| systemd.run=[^ ]*||g; s| systemd.run_success_action=[^ ]*||g; s| systemd.unit=kernel-command-line.target||g' /boot/firmware/cmdline.txt
exit 0
`;
}

function wifiSteps({ ssid, password, country }: NonNullable<FirstBoot["wifi"]>): string {
  const [id, secret, land] = [ssid, password, country].map(shellWord);
  return `
if [ -x "$helper" ]; then
  "$helper" set_wlan ${id} ${secret} ${land}
else
  raspi-config nonint do_wifi_country ${land}
  raspi-config nonint do_wifi_ssid_passphrase ${id} ${secret}
fi
`;
}
