import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { main } from "../../src/cli/main.ts";
import { freePort, type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { Machine } from "./machine.ts";

const version = inject("version");
const nextVersion = inject("nextVersion");

/** What deploying asks of systemd, done by a script: there is none in a chroot. The node itself is real. */
const SYSTEMCTL = `#!/bin/sh
state=/run/fake-systemctl
mkdir -p $state /run/fieldpost /var/lib/fieldpost
chown fieldpost: /run/fieldpost /var/lib/fieldpost
alive() { [ -e $state/pid ] && kill -0 "$(cat $state/pid)" 2>/dev/null; }
stop() { if alive; then kill "$(cat $state/pid)"; while alive; do sleep 0.1; done; fi; }
case "$*" in
  *is-active*) alive ;;
  *NRestarts*) echo 0 ;;
  *restart*fieldpost*|*start*fieldpost*)
    stop
    setpriv --reuid fieldpost --regid fieldpost --init-groups fieldpost run >/tmp/node.log 2>&1 </dev/null &
    echo $! >$state/pid
    sleep 1 ;;
  *stop*fieldpost*) stop ;;
esac
`;

let machine: Machine;
let broker: Mosquitto;
let folder: string;
let port: number;
let sshd: ReturnType<typeof spawn>;

beforeAll(async () => {
  machine = new Machine();
  folder = mkdtempSync(join(tmpdir(), "fieldpost-laptop-"));
  port = await freePort();
  broker = await startMosquitto();
  // Not locked, as far as sshd is concerned, and without a password.
  machine.run("useradd", "-m", "-s", "/bin/bash", "-p", "*", "me");
  writeFileSync(machine.file("etc/sudoers.d/me"), "me ALL=(ALL) NOPASSWD:ALL\n");
  writeFileSync(machine.file("usr/local/bin/systemctl"), SYSTEMCTL);
  chmodSync(machine.file("usr/local/bin/systemctl"), 0o755);
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "key")]);
  mkdirSync(machine.file("home/me/.ssh"));
  writeFileSync(machine.file("home/me/.ssh/authorized_keys"), readFileSync(join(folder, "key.pub")));
  machine.run("chown", "-R", "me:", "/home/me/.ssh");
  mkdirSync(machine.file("run/sshd"), { recursive: true });
  machine.run("ssh-keygen", "-A");
  sshd = spawn(
    "chroot",
    [
      ...[machine.root, "/usr/sbin/sshd", "-D", "-e", "-p", String(port)],
      ...["-o", "ListenAddress=127.0.0.1", "-o", "UsePAM=no", "-o", "PasswordAuthentication=no"],
    ],
    { stdio: "ignore" },
  );
  while (!(await canConnect())) await sleep(50);
});

afterAll(async () => {
  machine?.run("sh", "-c", "kill $(cat /run/fake-systemctl/pid) 2>/dev/null; true");
  sshd?.kill();
  if (sshd) await once(sshd, "close");
  await broker?.stop();
  await sleep(500);
  machine?.remove();
  rmSync(folder, { recursive: true, force: true });
});

function canConnect(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function deploy(config: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  writeFileSync(join(folder, "fieldpost.yaml"), config);
  let printed = "";
  const hear = (text: string) => {
    printed += text;
  };
  const code = await main(
    [
      ...[
        "deploy",
        "me@127.0.0.1",
        "--config",
        "fieldpost.yaml",
        "--port",
        String(port),
        "--identity",
        "key",
      ],
      ...["--ssh-option", "StrictHostKeyChecking=no", "--ssh-option", "UserKnownHostsFile=/dev/null"],
      ...["--ssh-option", "LogLevel=ERROR", "--health-wait", "15", ...args],
    ],
    { stdout: hear, stderr: hear, env, cwd: folder, isTty: false, columns: 80 },
  );
  return { code, printed };
}

const packageOf = (wanted: string) => join(inject("packages"), `fieldpost_${wanted}_amd64.deb`);
const right = (interval = "200ms") => `
device: { id: n1 }
mqtt: { url: "${broker.url}" }
telemetry: { interval: ${interval} }
buffer: { max_size: 16MiB }
sensors: [{ id: board, driver: host }]
`;
const status = () => JSON.parse(machine.run("fieldpost", "status", "--json"));
const installedVersion = () => machine.run("fieldpost", "--version").trim().replace("fieldpost ", "");

describe.runIf(process.getuid?.() === 0 || process.env["CI"])("fieldpost deploy, over a real sshd", () => {
  test("turns a Debian into a node that is well", async () => {
    const { code, printed } = await deploy(right(), ["--package", packageOf(version)]);
    expect(printed).toContain("amd64, no fieldpost yet");
    expect(printed).toContain(`the node runs: fieldpost ${version}, broker session: yes`);
    expect(code).toBe(0);
    expect(status().link.connected).toBe(true);
  });

  test("replaces version and configuration of a node that runs, and leaves nothing under /tmp", async () => {
    const { code } = await deploy(right("300ms"), ["--package", packageOf(nextVersion)]);
    expect(code).toBe(0);
    expect(installedVersion()).toBe(nextVersion);
    expect(readFileSync(machine.file("etc/fieldpost/fieldpost.yaml"), "utf8")).toContain("300ms");
    expect(machine.run("sh", "-c", "ls -d /tmp/fieldpost-deploy.* 2>/dev/null; true")).toBe("");
  });

  test("goes back, package and configuration, where the new node loses its broker", async () => {
    const before = readFileSync(machine.file("etc/fieldpost/fieldpost.yaml"), "utf8");
    const lost = right().replace(broker.url, "mqtt://127.0.0.1:1");
    const { code, printed } = await deploy(lost, ["--package", packageOf(version)]);
    expect(printed).toContain("going back: the node had a session with its broker before, and has none now");
    expect(code).toBe(1);
    expect(readFileSync(machine.file("etc/fieldpost/fieldpost.yaml"), "utf8")).toBe(before);
    expect(installedVersion()).toBe(nextVersion);
    await expect.poll(() => status().link.connected, { timeout: 10_000 }).toBe(true);
  });

  test("goes back where the device finds the configuration wrong", async () => {
    // The laptop knows a word that the device does not.
    const placeholder = ["$", "{env:LAPTOP_ONLY}"].join("");
    const config = right().replace("id: n1", `id: n1, name: "${placeholder}"`);
    const { code, printed } = await deploy(config, ["--package", packageOf(version)], { LAPTOP_ONLY: "x" });
    expect(printed).toContain("going back: the service is not running");
    expect(code).toBe(1);
    await expect.poll(() => status().link.connected, { timeout: 10_000 }).toBe(true);
  });

  test("says what to try where nobody answers", async () => {
    const { code, printed } = await deploy(right(), [
      ...["--package", packageOf(version), "--port", String(await freePort())],
    ]);
    expect(code).toBe(1);
    expect(printed).toContain('try "ssh me@127.0.0.1" by hand');
  });

  test("changes nothing where the configuration is wrong", async () => {
    const { code, printed } = await deploy("device: {}\n", ["--package", packageOf(version)]);
    expect(code).toBe(78);
    expect(printed).toContain("fieldpost.yaml:1:");
    expect(installedVersion()).toBe(nextVersion);
  });
});
