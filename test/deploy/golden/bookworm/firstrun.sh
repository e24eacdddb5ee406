#!/bin/sh
# Written by "fieldpost flash". Runs once, at the first boot, as root.
set +e
helper=/usr/lib/raspberrypi-sys-mods/imager_custom

if [ -x "$helper" ]; then
  "$helper" set_hostname north-1
else
  echo north-1 >/etc/hostname
  sed -i "s/^127\.0\.1\.1.*/127.0.1.1\t"north-1"/" /etc/hosts
fi
timedatectl set-timezone Europe/Berlin || ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime

# The first user is the one that the image has, by the name that was asked for; there is no password.
first=$(getent passwd 1000 | cut -d: -f1)
if [ -n "$first" ] && [ "$first" != me ]; then
  if [ -x /usr/lib/userconf-pi/userconf ]; then
    /usr/lib/userconf-pi/userconf me '*'
  else
    usermod -l me -m -d /home/me "$first"
    groupmod -n me "$first"
  fi
fi
systemctl disable userconfig 2>/dev/null
home=$(getent passwd me | cut -d: -f6)
install -d -m 700 -o me -g me "$home/.ssh"
printf '%s\n' 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@laptop' >"$home/.ssh/authorized_keys"
chown me:me "$home/.ssh/authorized_keys"
chmod 600 "$home/.ssh/authorized_keys"
systemctl enable ssh

if [ -x "$helper" ]; then
  "$helper" set_wlan 'Jane'\''s net' 'pass "word" with $(things)' DE
else
  raspi-config nonint do_wifi_country DE
  raspi-config nonint do_wifi_ssid_passphrase 'Jane'\''s net' 'pass "word" with $(things)'
fi

sh /boot/firmware/fieldpost/install.sh

# Not a second time.
rm -f /boot/firmware/firstrun.sh
sed -i 's| systemd.run=[^ ]*||g; s| systemd.run_success_action=[^ ]*||g; s| systemd.unit=kernel-command-line.target||g' /boot/firmware/cmdline.txt
exit 0
