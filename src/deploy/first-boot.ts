import { createHash } from "node:crypto";
import { withFirmwareLines } from "./config-txt.ts";
import { firstRunScript, installScript } from "./first-boot-scripts.ts";

/** How Raspberry Pi OS is told at its first boot what to be: 13 by cloud-init, 12 by a script that the kernel starts. */
export type OsGeneration = "trixie" | "bookworm";

export interface Wifi {
  readonly ssid: string;
  readonly password: string;
  /** ISO 3166-1 alpha-2: which channels are allowed. */
  readonly country: string;
}

export interface FirstBoot {
  readonly os: OsGeneration;
  readonly hostname: string;
  readonly timezone?: string | undefined;
  readonly user: { readonly name: string; readonly sshKeys: readonly string[] };
  readonly wifi?: Wifi | undefined;
  /** Name and content of the Debian package. */
  readonly package: { readonly name: string; readonly bytes: Uint8Array };
  /** What goes to /etc/fieldpost, by name; `fieldpost.yaml` among them. */
  readonly config: ReadonlyMap<string, Uint8Array>;
  /** What systemd hands to the service, by the credential's name. */
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** Lines for config.txt. */
  readonly firmware: readonly string[];
}

export interface FileChange {
  /** On the boot partition. */
  readonly path: string;
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array;
  /** Not to be shown to whoever looks on. */
  readonly isSecret: boolean;
}

/** The folder on the boot partition that is ours. */
export const OWN_FOLDER = "fieldpost";

/**
 * Cloud-init's files on the boot partition mean Raspberry Pi OS 13; what is neither has not been made by
 * Raspberry Pi, and undefined.
 */
export function detectOs(has: (path: string) => boolean): OsGeneration | undefined {
  if (has("user-data") && has("meta-data")) return "trixie";
  return has("cmdline.txt") && has("config.txt") ? "bookworm" : undefined;
}

/** Everything that the first boot needs, as changes of the boot partition. */
export function firstBootFiles(
  boot: FirstBoot,
  read: (path: string) => Uint8Array | undefined,
): readonly FileChange[] {
  const text = (path: string) => Buffer.from(read(path) ?? "").toString("utf8");
  const change = (path: string, after: Uint8Array | string, isSecret = false): FileChange => ({
    path,
    before: read(path),
    after: Buffer.from(after),
    isSecret,
  });
  return [
    change(`${OWN_FOLDER}/${boot.package.name}`, boot.package.bytes),
    ...[...boot.config].map(([name, bytes]) =>
      change(`${OWN_FOLDER}/config/${name}`, bytes, name !== "fieldpost.yaml"),
    ),
    ...[...boot.secrets].map(([name, bytes]) => change(`${OWN_FOLDER}/secrets/${name}`, bytes, true)),
    change(`${OWN_FOLDER}/install.sh`, installScript(boot)),
    change("config.txt", withFirmwareLines(text("config.txt"), boot.firmware)),
    ...(boot.os === "trixie" ? cloudInitFiles(boot, text, change) : firstRunFiles(boot, text, change)),
  ];
}

type Change = (path: string, after: Uint8Array | string, isSecret?: boolean) => FileChange;

/** cloud-init's NoCloud data source reads them from the boot partition (cloud-init documentation, "NoCloud"). */
function cloudInitFiles(boot: FirstBoot, text: (path: string) => string, change: Change): FileChange[] {
  const userData = cloudConfig(boot);
  return [
    change("user-data", userData),
    change("meta-data", metaData(text("meta-data"), boot)),
    ...(boot.wifi ? [change("network-config", networkConfig(boot.wifi), true)] : []),
  ];
}

/** JSON is YAML, and quotes what has to be. */
const quoted = (value: unknown) => JSON.stringify(value);

function cloudConfig({ hostname, timezone, user }: FirstBoot): string {
  const keys = user.sshKeys.map((key) => `      - ${quoted(key)}`);
  return [
    "#cloud-config",
    '# Written by "fieldpost flash".',
    `hostname: ${quoted(hostname)}`,
    "manage_etc_hosts: true",
    ...(timezone === undefined ? [] : [`timezone: ${quoted(timezone)}`]),
    "users:",
    `  - name: ${quoted(user.name)}`,
    "    groups: [users, adm, dialout, gpio, i2c, spi, sudo, video]",
    "    shell: /bin/bash",
    "    lock_passwd: true",
    "    sudo: ALL=(ALL) NOPASSWD:ALL",
    ...(keys.length > 0 ? ["    ssh_authorized_keys:", ...keys] : []),
    "ssh_pwauth: false",
    "runcmd:",
    ...(keys.length > 0 ? ["  - [systemctl, enable, --now, ssh]"] : []),
    `  - [sh, /boot/firmware/${OWN_FOLDER}/install.sh]`,
    "",
  ].join("\n");
}

/** Another instance's id lets cloud-init do everything anew, as it should where a card is written again. */
function metaData(stock: string, boot: FirstBoot): string {
  const content = JSON.stringify([
    boot.hostname,
    boot.timezone,
    boot.user,
    boot.wifi,
    [...boot.config.keys()],
  ]);
  const hash = createHash("sha256").update(content);
  for (const bytes of [...boot.config.values(), ...boot.secrets.values(), boot.package.bytes])
    hash.update(bytes);
  const id = `fieldpost-${hash.digest("hex").slice(0, 12)}`;
  const others = stock.split(/\r?\n/).filter((line) => line !== "" && !/^instance[_-]id:/.test(line));
  return [...others, `instance_id: ${id}`, ""].join("\n");
}

/** Version 2 of cloud-init's network configuration, which is netplan's. */
function networkConfig({ ssid, password, country }: Wifi): string {
  return [
    "network:",
    "  version: 2",
    "  ethernets:",
    "    eth0: {dhcp4: true, optional: true}",
    "  wifis:",
    "    wlan0:",
    "      dhcp4: true",
    "      optional: true",
    `      regulatory-domain: ${quoted(country)}`,
    "      access-points:",
    `        ${quoted(ssid)}:`,
    `          password: ${quoted(password)}`,
    "",
  ].join("\n");
}

const FIRST_RUN =
  "systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot systemd.unit=kernel-command-line.target";

function firstRunFiles(boot: FirstBoot, text: (path: string) => string, change: Change): FileChange[] {
  // One line: the kernel reads no second one.
  const cmdline = text("cmdline.txt").trim().replaceAll(` ${FIRST_RUN}`, "");
  return [
    change("firstrun.sh", firstRunScript(boot), boot.wifi !== undefined),
    change("cmdline.txt", `${cmdline} ${FIRST_RUN}\n`),
  ];
}
