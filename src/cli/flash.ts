import { statfsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type BootPartition, mountedBoot } from "../deploy/boot-partition.ts";
import { changedLines } from "../deploy/changed-lines.ts";
import { firmwareLines } from "../deploy/config-txt.ts";
import { FatPartition } from "../deploy/fat.ts";
import {
  detectOs,
  type FileChange,
  type FirstBoot,
  firstBootFiles,
  type OsGeneration,
  type Wifi,
} from "../deploy/first-boot.ts";
import { bootPartitionOffset } from "../deploy/image.ts";
import {
  configFiles,
  findPackage,
  loadForDevice,
  readOrExplain,
  readPackage,
  readSecrets,
} from "./device-files.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { progressBar } from "./progress-bar.ts";

const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const USER_NAME = /^[a-z_][a-z0-9_-]{0,31}$/;

/**
 * `fieldpost flash --image raspios.img|--boot FOLDER --config FILE ...`: makes a stock Raspberry Pi OS into this node, by
 * what its first boot finds on its boot partition. Needs no root and no Linux.
 */
export async function flash(args: string[], io: CliIo): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      image: { type: "string" },
      boot: { type: "string" },
      config: { type: "string", short: "c" },
      package: { type: "string" },
      secret: { type: "string", multiple: true, default: [] },
      hostname: { type: "string" },
      user: { type: "string", default: "pi" },
      "ssh-key": { type: "string", multiple: true, default: [] },
      wifi: { type: "string" },
      "wifi-password-file": { type: "string" },
      country: { type: "string" },
      timezone: { type: "string" },
      os: { type: "string" },
      "dry-run": { type: "boolean", default: false },
    },
    strict: true,
  });
  const path = (name: string) => resolve(io.cwd, name);
  if ((values.image === undefined) === (values.boot === undefined))
    throw wrongUsage("flash takes either --image FILE.img or --boot FOLDER");
  if (values.config === undefined) throw wrongUsage("flash takes --config FILE");
  const secrets = readSecrets(values.secret, io.cwd);
  const config = await loadForDevice(values.config, secrets, io);
  if (!config) return EXIT.config;
  const hostname = values.hostname ?? hostNameOf(config.device.id);
  if (!HOST_NAME.test(hostname))
    throw wrongUsage(`--hostname ${hostname}: expected small letters, digits and -`);
  if (!USER_NAME.test(values.user))
    throw wrongUsage(`--user ${values.user}: expected small letters, digits and -`);
  const wifi = wifiFrom(values, path);
  const sshKeys = values["ssh-key"].flatMap((file) => readKeys(path(file)));
  const found = values.package ?? findPackage(io.cwd, "fieldpost_", "arm64");
  if (found === undefined)
    throw wrongUsage(
      "no package fieldpost_*_arm64.deb here or in packages/: --package FILE, or npm run package",
    );
  const debian = readPackage(found, io.cwd);
  const boot = openBoot(values, path);
  try {
    const setup: FirstBoot = {
      os: osOf(values.os, boot),
      hostname,
      timezone: values.timezone,
      user: { name: values.user, sshKeys },
      wifi,
      package: debian,
      config: configFiles(config, path(values.config)),
      secrets,
      firmware: firmwareLines(config),
    };
    const changes = firstBootFiles(setup, (file) => boot.read(file));
    for (const change of changes) io.stdout(describe(change));
    if (values["dry-run"]) return EXIT.done;
    writeAll(boot, changes, io);
    io.stderr(
      `${values.image ?? values.boot} is ${hostname} now (Raspberry Pi OS "${setup.os}").` +
        ` The first boot takes some minutes; then: ssh ${values.user}@${hostname}.local\n`,
    );
    if (setup.user.sshKeys.length === 0)
      io.stderr("Nobody can log in: there is no --ssh-key. The node will run all the same.\n");
    return EXIT.done;
  } catch (error) {
    throw error instanceof CliError
      ? error
      : new CliError(EXIT.failed, (error as Error).message, { cause: error });
  } finally {
    boot.close();
  }
}

type Values = { readonly [name: string]: string | boolean | string[] | undefined };
type PathOf = (name: string) => string;

function openBoot(values: Values, path: PathOf): BootPartition {
  try {
    if (typeof values["image"] === "string") {
      const image = path(values["image"]);
      return new FatPartition(image, bootPartitionOffset(image), Date.now);
    }
    const folder = path(String(values["boot"]));
    if (!statSync(folder).isDirectory()) throw new Error(`${folder} is no folder`);
    return mountedBoot(folder, () => {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    });
  } catch (error) {
    throw new CliError(EXIT.failed, (error as Error).message, { cause: error });
  }
}

function osOf(asked: string | undefined, boot: BootPartition): OsGeneration {
  if (asked === "trixie" || asked === "bookworm") return asked;
  if (asked !== undefined) throw wrongUsage(`--os ${asked}: expected trixie or bookworm`);
  const found = detectOs((file) => boot.read(file) !== undefined);
  if (found) return found;
  throw new CliError(
    EXIT.failed,
    "this is not the boot partition of a Raspberry Pi OS: it has no config.txt and cmdline.txt; --os trixie or --os bookworm overrules that",
  );
}

function wifiFrom(values: Values, path: PathOf): Wifi | undefined {
  const { wifi: ssid, country, "wifi-password-file": file } = values;
  if (typeof ssid !== "string") {
    if (file !== undefined || country !== undefined) throw wrongUsage("--wifi SSID goes with them");
    return undefined;
  }
  if (typeof file !== "string") throw wrongUsage("--wifi takes --wifi-password-file FILE");
  if (typeof country !== "string" || !/^[A-Z]{2}$/.test(country))
    throw wrongUsage(
      "--wifi takes --country with two letters, such as DE: it says which channels are allowed",
    );
  const password = Buffer.from(readOrExplain(path(file)))
    .toString("utf8")
    .trim();
  return { ssid, password, country };
}

function readKeys(file: string): string[] {
  const lines = Buffer.from(readOrExplain(file)).toString("utf8").split(/\r?\n/);
  const keys = lines.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  for (const key of keys)
    if (!/^(ssh|ecdsa|sk)-\S+ \S+/.test(key))
      throw wrongUsage(`--ssh-key ${file}: expected a public key, such as ~/.ssh/id_ed25519.pub holds`);
  return keys;
}

/** A device's id as a name on the network (RFC 1123). */
function hostNameOf(deviceId: string): string {
  return deviceId.toLowerCase().replaceAll("_", "-").replace(/-+$/, "").slice(0, 63);
}

/** One file that changes: of a text what changes in it, of anything else its size, of a secret neither. */
function describe({ path, before, after, isSecret }: FileChange): string {
  const what = before === undefined ? "new" : Buffer.compare(before, after) === 0 ? "unchanged" : "changed";
  const head = `${path}  ${what}, ${after.length.toLocaleString("en")} bytes${isSecret ? ", not shown" : ""}\n`;
  if (isSecret || what === "unchanged" || after.includes(0)) return head;
  const lines = changedLines(Buffer.from(before ?? "").toString("utf8"), Buffer.from(after).toString("utf8"));
  return head + lines.map((line) => `  ${line}\n`).join("");
}

/** The package first: where there is no room for it, nothing has changed. */
function writeAll(boot: BootPartition, changes: readonly FileChange[], io: CliIo): void {
  const wanted = changes.filter(({ before, after }) => !before || Buffer.compare(before, after) !== 0);
  const neededBytes = wanted.reduce((sum, { after }) => sum + after.length, 0);
  if (neededBytes > boot.freeBytes())
    throw new CliError(
      EXIT.failed,
      `the boot partition has ${megabytes(boot.freeBytes())} free, and ${megabytes(neededBytes)} are needed`,
    );
  const bar = progressBar(io, neededBytes);
  let doneBytes = 0;
  for (const { path, after } of wanted) {
    boot.write(path, after, (bytes) => bar.show(doneBytes + bytes, path));
    doneBytes += after.length;
  }
  bar.end();
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
