import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { type BundleProcess, startBundle } from "../process/bundle.ts";
import { type Subscriber, subscribe } from "../process/subscriber.ts";
import { type DebianBoard, PATIENCE_MS, startDebian } from "./debian/machine.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HERE = join(ROOT, "test/board/debian");
const PASSWORD = "only in /etc/fieldpost/credentials";
const RELAY_PIN = 6;

const folder = mkdtempSync(join(tmpdir(), "fieldpost-debian-"));
const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
const nextVersion = `${version}+next`;

let board: DebianBoard;
let broker: Mosquitto;
let consumer: Subscriber;
let audit: BundleProcess;

beforeAll(async () => {
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  const emulator = run("bash", "test/board/emulator.sh");
  const system = run("bash", join(HERE, "setup.sh"), emulator);
  const pack = (wanted: string) =>
    run(
      process.execPath,
      "deploy/package/package.mjs",
      "--arch",
      "arm64",
      "--fast",
      ...["--version", wanted],
      "--out",
      folder,
    );
  pack(nextVersion);
  // Last, so that what is left in dist is this version.
  pack(version);
  broker = await startMosquitto({ persistence: true, extra: onlyTheNodeMayPublish() });
  consumer = await subscribe(broker.port, "board");
  audit = startBundle(["audit", "--broker", broker.url, "--json", "board"]);
  await audit.printed("listening to");
  board = await startDebian(emulator, system, cargo(), folder);
  await board.booted();
}, 1_800_000);

afterAll(async () => {
  await board?.qemu.stop();
  await audit?.end("SIGKILL");
  await consumer?.end();
  await broker?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("the package installs into a Debian 13, and its service is up when dpkg is done", async () => {
  await board.run("tar -xf /dev/vdb -C /root && cp -r /root/etc /");
  say(await board.run(`dpkg -i /root/fieldpost_${version}_arm64.deb`));
  say(await board.run("systemctl status fieldpost --no-pager || true"));
  expect(await service("ActiveState", "SubState", "User", "WatchdogUSec", "NRestarts")).toEqual([
    ...["active", "running", "fieldpost", "30s", "0"],
  ]);
});

test("its records come to the broker, with the password that systemd handed it", async () => {
  const { json: boot } = await consumer.hear("event/boot", () => true, PATIENCE_MS);
  expect(boot).toMatchObject({ seq: 1, boot: 1, version });
  await consumer.hear("telemetry/host", ({ json }) => json.seq > 20, PATIENCE_MS);
  expect(await board.run("ls -A /run/credentials/fieldpost.service")).toBe("mqtt_password");
});

test("it has no privileges, and what the unit asks of the sandbox is in force", async () => {
  const exposure = await board.run("systemd-analyze security fieldpost --no-pager | tail -n 1");
  say(exposure);
  expect(Number(/: ([\d.]+) /.exec(exposure)?.[1])).toBeLessThanOrEqual(1.7);
  const status = await board.run("cat /proc/$(systemctl show -P MainPID fieldpost)/status");
  for (const line of [/^CapEff:\t0+$/m, /^CapBnd:\t0+$/m, /^NoNewPrivs:\t1$/m, /^Seccomp:\t2$/m])
    expect(status).toMatch(line);
});

test.each([
  ["the disk", "head -c 1 /dev/vda"],
  ["the memory", "head -c 1 /dev/mem"],
  ["the watchdog", "sh -c 'exec 3>/dev/watchdog0'"],
  ["the passwords of the system", "cat /etc/shadow"],
  ["the secrets on disk", "cat /etc/fieldpost/credentials/mqtt_password"],
  ["its own program", "touch /usr/lib/fieldpost/fieldpost.js"],
  ["its own configuration", "touch /etc/fieldpost/fieldpost.yaml"],
  ["the kernel's settings", "sh -c 'echo x >/proc/sys/kernel/hostname'"],
  ["what the kernel gives to root in /sys", "sh -c 'echo 1 >/sys/devices/w1_bus_master1/w1_master_search'"],
  ["the homes", "ls /root"],
])("the service cannot reach %s", async (_what, command) => {
  const { status, printed } = await board.attempt(`/root/inside ${command} 2>&1`);
  expect({ status, printed }).not.toMatchObject({ status: 0 });
  expect(printed).toMatch(/Permission denied|Operation not permitted|Read-only file system|No such file/);
});

test("the service reaches its buses: chips that are not there are what it finds, not closed doors", async () => {
  // Nobody answers on SPI: the line stays as it is, and a converter reads that.
  await consumer.hear("telemetry/level", () => true, PATIENCE_MS);
  // On a busy machine the first try may only run out of time.
  await consumer.hear("fault/air", ({ json }) => /no chip acknowledged/.test(json?.error), PATIENCE_MS);
  await consumer.hear("telemetry/door", () => true, PATIENCE_MS);
});

test("a 1-Wire thermometer that appears later can be told its resolution through the read-only /sys", async () => {
  const bus = "/sys/bus/w1/devices/w1_bus_master1";
  await board.run(`echo 0 >${bus}/w1_master_search; echo 28-000000000001 >${bus}/w1_master_add`);
  const groups = `stat -L -c %G ${bus}/therm_bulk_read ${bus}/28-000000000001/resolution`;
  await board.until(groups, (printed) => printed === "gpio\ngpio");
  // The kernel passes it on to the wire, where nobody hears it.
  const { json } = await consumer.hear("fault/ground", ({ json }) => /EIO/.test(json?.error), PATIENCE_MS);
  say(json.error);
  expect(json.error).toContain("write");
});

test("a serial adapter plugged in later opens", async () => {
  await board.qemu.control("chardev-add", { id: "line", backend: { type: "null", data: {} } });
  await board.qemu.control("device_add", {
    ...{ driver: "usb-serial", id: "adapter", chardev: "line", "always-plugged": true },
  });
  await board.until("ls /dev/ttyUSB0", (printed) => printed === "/dev/ttyUSB0");
  const opened = (error: string | undefined) => !/no such port/.test(error ?? "no such port");
  const { json } = await consumer.hear("fault/smoke", ({ json }) => opened(json?.error), PATIENCE_MS);
  say(json.error);
  expect(json.error).not.toMatch(/not permitted|denied/);
});

test("killed, it leaves the relay off and comes back", async () => {
  await switchOn("c1");
  const restarts = await restartCount();
  const killedMs = performance.now();
  await board.run("kill -KILL $(systemctl show -P MainPID fieldpost)");
  await relayOff();
  say(`SIGKILL: the relay was off ${seconds(killedMs)} after the kill was asked for`);
  await cameBack(restarts);
  say(`SIGKILL: the service was up again after ${seconds(killedMs)}`);
});

test.each([
  ["stopped", "kill -STOP $(systemctl show -P MainPID fieldpost)"],
  ["in an endless loop", "touch /run/fieldpost/hang"],
])("%s, it is killed by systemd's watchdog, leaves the relay off and comes back", async (how, hang) => {
  await switchOn(how.replaceAll(" ", "-"));
  const restarts = await restartCount();
  const hungMs = performance.now();
  await board.run(hang);
  await relayOff();
  say(`${how}: the relay was off after ${seconds(hungMs)}`);
  await cameBack(restarts);
  say(`${how}: the service was up again after ${seconds(hungMs)}`);
  expect(await board.run("journalctl -b -u fieldpost -o cat --no-pager")).toContain("Watchdog timeout");
});

test("an upgrade while the network is away keeps what waits", async () => {
  const before = await outbox();
  await network(false);
  await sleep(10_000);
  await board.run(`dpkg -i /root/fieldpost_${nextVersion}_arm64.deb`);
  expect(await service("ActiveState")).toEqual(["active"]);
  const waiting = await outbox();
  expect(waiting.stream).toBe(before.stream);
  expect(waiting.depth).toBeGreaterThan(50);
  await network(true);
  await consumer.hear("event/boot", ({ json }) => json.version === nextVersion, PATIENCE_MS);
  await delivered(waiting.newest);
  say(`upgrade: ${waiting.depth} records waited, all of them came; missing: ${missing()}`);
  expect(missing()).toBe("none");
});

test("a downgrade does, too", async () => {
  await board.run(`dpkg -i /root/fieldpost_${version}_arm64.deb`);
  const latest = () => consumer.heard.filter(({ topic }) => topic === "event/boot").at(-1)?.json.version;
  await expect.poll(latest, { timeout: PATIENCE_MS }).toBe(version);
  await goesOn();
  expect(missing()).toBe("none");
});

test.each([1, 2, 3])("reset in the middle of writing, it loses nothing untold: cut %i", async (cut) => {
  // Twice with the network away, so that what must survive is on the disk alone.
  const away = cut !== 1;
  if (away) await network(false);
  await sleep(away ? 10_000 : 2_000);
  const before = await outbox();
  // What waited longer than sync_after, one second, is on flash.
  await sleep(3_000);
  const { boots } = consumer.ledger.verdict();
  await rebooted(() => board.reset());
  if (away) await network(true);
  await board.until("systemctl is-active fieldpost", (printed) => printed === "active");
  await expect.poll(() => consumer.ledger.verdict().boots, { timeout: PATIENCE_MS }).toBe(boots + 1);
  const last = consumer.heard.filter(({ topic }) => topic === "event/boot").at(-1)!;
  await goesOn();
  say(
    `reset ${cut}, network ${away ? "away" : "there"}: ${before.depth} records waited 3 s before; ${last.payload}; ` +
      `missing: ${missing()}`,
  );
  expect(missing()).toBe("none");
  // Told as skipped may be only what was younger, and what had arrived before it got to flash.
  const arrived = new Set(consumer.heard.map(({ json }) => json?.seq));
  const lost: number[] = [];
  for (let seq = last.json.skipped?.from_seq ?? Number.POSITIVE_INFINITY; seq <= before.newest; seq++)
    if (!arrived.has(seq)) lost.push(seq);
  expect(lost).toEqual([]);
});

test("after a boot, the settings for the journal and the hardware watchdog are in force", async () => {
  const journal = await board.run("journalctl -b -t systemd-journald -o cat --no-pager");
  say(journal);
  expect(journal).toMatch(/System Journal \(.*max 32M/);
  const watchdog = await board.run("cd /sys/class/watchdog/watchdog0 && cat identity state timeout");
  expect(watchdog).toBe("i6300ESB timer\nactive\n14");
  say(await board.run("journalctl -b --no-pager -o cat _PID=1 | grep -i watchdog"));
});

test("a kernel that has crashed is reset by the hardware watchdog, and the node comes back", async () => {
  const crashedMs = performance.now();
  await rebooted(async () => {
    await board.run("(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &");
  });
  await board.until("systemctl is-active fieldpost", (printed) => printed === "active");
  say(`kernel crash: the service was up again after ${seconds(crashedMs)}`);
  await goesOn();
  expect(missing()).toBe("none");
});

test("the doctor finds what is broken, and nothing where nothing is", async () => {
  const sick = await board.attempt("fieldpost doctor");
  say(`fieldpost doctor: ends with ${sick.status}\n${sick.printed}`);
  expect(sick.status).toBe(1);
  expect(sick.printed).toMatch(/^failed +sensor air/m);
  await board.run(
    "grep -Ev 'bme280|ds18b20|pms5003' /etc/fieldpost/fieldpost.yaml >/etc/fieldpost/well.yaml",
  );
  const well = await board.attempt("fieldpost doctor --config /etc/fieldpost/well.yaml");
  say(`without the missing chips: ends with ${well.status}\n${well.printed}`);
  expect(well.printed).not.toMatch(/^failed/m);
  expect(well.status).toBe(0);
});

test("stopped in order, it says so, and the auditor's account of it all has no gap", async () => {
  await board.run("systemctl stop fieldpost");
  await expect
    .poll(() => consumer.heard.filter(({ topic }) => topic === "status").at(-1)?.payload)
    .toBe("offline");
  const { code } = await audit.end("SIGINT");
  say(`fieldpost audit: ${audit.stdout().replaceAll(/\s+/g, " ")}`);
  expect(code).toBe(0);
});

/** For whoever reads the run, and for docs. */
function say(text: string): void {
  process.stdout.write(`${text.trimEnd().replaceAll(/^/gm, "board: ")}\n`);
}

const seconds = (sinceMs: number) => `${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`;

async function service(...properties: readonly string[]): Promise<readonly string[]> {
  const values = properties.map((name) => `systemctl show -P ${name} fieldpost`).join(" && ");
  return (await board.run(values)).split("\n");
}

async function restartCount(): Promise<number> {
  return Number((await service("NRestarts"))[0]);
}

async function cameBack(restartsBefore: number): Promise<void> {
  const wanted = `active ${restartsBefore + 1}`;
  const state = "echo $(systemctl show -P ActiveState fieldpost) $(systemctl show -P NRestarts fieldpost)";
  await board.until(state, (printed) => printed === wanted);
  await goesOn();
  expect(missing()).toBe("none");
}

/** Two seconds' worth of records more. */
async function goesOn(): Promise<void> {
  const wanted = consumer.ledger.verdict().received + 20;
  await expect
    .poll(() => consumer.ledger.verdict().received, { timeout: PATIENCE_MS })
    .toBeGreaterThan(wanted);
}

async function switchOn(id: string): Promise<void> {
  await consumer.publish("command/relay", JSON.stringify({ id, set: "on" }));
  await consumer.hear("result/relay", ({ json }) => json.id === id && json.status === "done", PATIENCE_MS);
  expect(await board.pin(RELAY_PIN)).toBe(1);
}

async function relayOff(): Promise<void> {
  await expect.poll(() => board.pin(RELAY_PIN), { timeout: PATIENCE_MS, interval: 20 }).toBe(0);
}

/** Pulls the network's cable, or puts it back. */
async function network(there: boolean): Promise<void> {
  await board.qemu.control("set_link", { name: "net", up: there });
}

async function outbox(): Promise<{
  readonly depth: number;
  readonly newest: number;
  readonly stream: string;
}> {
  const { depth, stream, last_seq } = JSON.parse(
    await board.run("fieldpost buffer status --json 2>/dev/null"),
  );
  return { depth, stream, newest: last_seq };
}

async function delivered(seq: number): Promise<void> {
  await expect.poll(() => consumer.ledger.verdict().lastSeq, { timeout: PATIENCE_MS }).toBeGreaterThan(seq);
}

function missing(): string {
  const { missing } = consumer.ledger.verdict();
  return missing.map(({ from, to }) => `${from}-${to}`).join(", ") || "none";
}

async function rebooted(how: () => Promise<void>): Promise<void> {
  const id = "cat /proc/sys/kernel/random/boot_id";
  const before = await board.run(id);
  await how();
  await board.until(id, (printed) => printed !== before && printed !== "");
  await board.booted();
}

/** Whoever has no name may listen and command; a name needs its password. Nothing is dropped for whoever is slow. */
function onlyTheNodeMayPublish(): readonly string[] {
  const passwords = join(folder, "passwords");
  writeFileSync(passwords, `node:${PASSWORD}\n`);
  execFileSync("mosquitto_passwd", ["-U", passwords]);
  const rights = join(folder, "rights");
  writeFileSync(rights, "topic read #\ntopic write fieldpost/+/command/#\nuser node\ntopic readwrite #\n");
  return [`password_file ${passwords}`, `acl_file ${rights}`, "max_queued_messages 0"];
}

/** The archive that the guest unpacks: both packages, and what a person would have put into /etc/fieldpost. */
function cargo(): string {
  const etc = join(folder, "cargo/etc/fieldpost");
  mkdirSync(join(etc, "credentials"), { recursive: true, mode: 0o755 });
  const config = readFileSync(join(HERE, "fieldpost.yaml"), "utf8").replaceAll("PORT", String(broker.port));
  writeFileSync(join(etc, "fieldpost.yaml"), config);
  cpSync(join(HERE, "endless.js"), join(etc, "endless.js"));
  writeFileSync(join(etc, "credentials/mqtt_password"), PASSWORD, { mode: 0o600 });
  cpSync(join(HERE, "inside"), join(folder, "cargo/inside"));
  const packages = [version, nextVersion].map((wanted) => `fieldpost_${wanted}_arm64.deb`);
  const file = join(folder, "cargo.tar");
  const owner = ["--owner=0", "--group=0"];
  execFileSync("tar", [...owner, "-cf", file, "-C", join(folder, "cargo"), ".", "-C", folder, ...packages]);
  return file;
}
