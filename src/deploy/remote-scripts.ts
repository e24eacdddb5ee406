/** Run on the device before anything is copied: what it is, and whether we may change it. One `key=value` a line. */
export const PROBE = `
echo "architecture=$(dpkg --print-architecture 2>/dev/null || echo none)"
if [ "$(id -u)" = 0 ]; then echo "root=yes"; elif sudo -n true 2>/dev/null; then echo "root=sudo"; else echo "root=no"; fi
echo "installed=$(dpkg-query -W -f '\${Package} \${Version} \${db:Status-Status}\\n' fieldpost fieldpost-app 2>/dev/null | grep ' installed$' || true)"
umask 077
echo "folder=$(mktemp -d /tmp/fieldpost-deploy.XXXXXX)"
`;

/**
 * Installs package, configuration and secrets that lie beside it, restarts the service and watches it. Where the node
 * does not come up, package and configuration of before come back. Run as root; ends with 0 only where the new node runs.
 *
 * Healthy is: the service stays up without a restart, answers on its socket, and has a session with the broker if the
 * node before it had one. A network that is down is no reason to go back.
 */
export function deployScript(packageFile: string, healthSeconds: number): string {
  return `#!/bin/sh
# Sent by "fieldpost deploy".
set -u
here=$(cd "$(dirname "$0")" && pwd)
new="$here/${packageFile}"
cache=/var/cache/fieldpost
backup="$here/backup"
say() { echo "$*"; }
restarts() { systemctl show -p NRestarts --value fieldpost 2>/dev/null || echo 0; }
# A session with the broker: yes, no, or nobody answers.
session() {
  answer=$(fieldpost status --json 2>/dev/null) || { echo silent; return; }
  case $answer in *'"connected": true'*) echo yes ;; *) echo no ;; esac
}

before=$(session)
mkdir -p "$backup" "$cache"
[ ! -d /etc/fieldpost ] || cp -a /etc/fieldpost "$backup/etc"
[ ! -e "$cache/current.deb" ] || cp "$cache/current.deb" "$backup/old.deb"

configure() {
  install -d -m 0750 -o root -g fieldpost /etc/fieldpost
  for file in "$here"/config/*; do
    [ ! -e "$file" ] || install -m 0640 -o root -g fieldpost "$file" /etc/fieldpost/ || return 1
  done
  install -d -m 0700 /etc/fieldpost/credentials
  [ -d "$here/secrets" ] || return 0
  install -d /etc/systemd/system/fieldpost.service.d
  dropin=/etc/systemd/system/fieldpost.service.d/50-credentials.conf
  echo "[Service]" >"$dropin"
  for file in "$here"/secrets/*; do
    [ -e "$file" ] || continue
    name=$(basename "$file")
    install -m 0600 -o root -g root "$file" "/etc/fieldpost/credentials/$name" || return 1
    echo "LoadCredential=$name:/etc/fieldpost/credentials/$name" >>"$dropin"
  done
  systemctl daemon-reload
}

# Prints what is wrong; nothing where the node is well.
unwell() {
  count=$(restarts)
  waited=0
  well=0
  while [ $waited -lt ${healthSeconds} ]; do
    sleep 1
    waited=$((waited + 1))
    [ "$(restarts)" = "$count" ] || { echo "the service ended and was started again"; return; }
    systemctl is-active --quiet fieldpost || { echo "the service is not running"; return; }
    now=$(session)
    if [ "$now" = yes ] || { [ "$now" = no ] && [ "$before" != yes ]; }; then
      well=$((well + 1))
      # A moment's health is none.
      [ $well -lt 5 ] || return
    else
      well=0
    fi
  done
  if [ "$now" = silent ]; then echo "the node does not answer on its socket"; else echo "the node had a session with its broker before, and has none now"; fi
}

back() {
  say "going back: $1"
  if [ -e "$backup/old.deb" ]; then
    dpkg -i "$backup/old.deb" >/dev/null || say "the package of before could not be installed again"
  else
    say "there is no package of before to go back to"
  fi
  if [ -d "$backup/etc" ]; then
    rm -rf /etc/fieldpost && cp -a "$backup/etc" /etc/fieldpost
    systemctl daemon-reload
    systemctl restart fieldpost
  else
    systemctl stop fieldpost
  fi
  exit 1
}

say "installing ${packageFile}"
DEBIAN_FRONTEND=noninteractive dpkg -i "$new" >"$here/dpkg.log" 2>&1 || { cat "$here/dpkg.log"; back "the package could not be installed"; }
say "configuring"
configure || back "the configuration could not be written"
say "restarting"
systemctl enable --quiet fieldpost 2>/dev/null
systemctl restart fieldpost || back "the service does not start"
say "watching it"
problem=$(unwell)
[ -z "$problem" ] || { systemctl status --no-pager -n 15 fieldpost 2>/dev/null; back "$problem"; }
cp "$new" "$cache/current.deb"
say "the node runs: $(fieldpost --version), broker session: $(session)"
`;
}
