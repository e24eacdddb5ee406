import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { Machine } from "./machine.ts";

const version = inject("version");
const nextVersion = inject("nextVersion");

const CONFIG = `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:1" }
telemetry: { interval: 50ms }
buffer: { max_size: 16MiB }
sensors: [{ id: board, driver: host }]
`;

// A package's scripts need a machine of their own, and making one needs root.
describe.runIf(process.getuid?.() === 0 || process.env["CI"])("on a Debian 13", () => {
  let machine: Machine;
  beforeAll(() => {
    machine = new Machine();
  });
  afterAll(() => machine?.remove());

  test("the package installs, makes its user and says what is next", () => {
    expect(machine.install("fieldpost", version)).toContain("write /etc/fieldpost/fieldpost.yaml");
    expect(machine.run("fieldpost", "--version")).toBe(`fieldpost ${version}\n`);
    expect(machine.run("id", "-nG", "fieldpost").trim().split(" ").sort()).toEqual(
      ["dialout", "fieldpost", "gpio", "i2c", "spi"].sort(),
    );
    expect(machine.run("systemctl", "is-enabled", "fieldpost").trim()).toBe("enabled");
    expect(statSync(machine.file("etc/fieldpost/credentials")).mode & 0o777).toBe(0o700);
    expect(statSync(machine.file("etc/fieldpost/credentials/mqtt_password")).mode & 0o777).toBe(0o600);
  });

  test("a starter configuration is written and found right", () => {
    writeFileSync(machine.file("etc/fieldpost/fieldpost.yaml"), machine.run("fieldpost", "init"));
    expect(machine.run("fieldpost", "check", "/etc/fieldpost/fieldpost.yaml")).toContain("ok");
  });

  test("the node runs as its own user and keeps what it cannot deliver", () => {
    writeFileSync(machine.file("etc/fieldpost/fieldpost.yaml"), CONFIG);
    machine.run("install", "-d", "-o", "fieldpost", "-g", "fieldpost", "-m", "0750", "/var/lib/fieldpost");
    machine.runNode();
    expect(machine.outbox().depth).toBeGreaterThan(10);
  });

  test("an upgrade keeps outbox and configuration, and goes on numbering", () => {
    const before = machine.outbox();
    machine.install("fieldpost", nextVersion);
    expect(machine.run("fieldpost", "--version")).toBe(`fieldpost ${nextVersion}\n`);
    expect(readFileSync(machine.file("etc/fieldpost/fieldpost.yaml"), "utf8")).toBe(CONFIG);
    machine.runNode();
    const after = machine.outbox();
    expect(after.stream).toBe(before.stream);
    expect(after.depth).toBeGreaterThan(before.depth);
  });

  test("an upgrade leaves no part of the version before it", () => {
    const files = machine.run("sh", "-c", "ls /usr/lib/fieldpost/*.js").trim().split("\n");
    const owned = machine.run("dpkg", "-L", "fieldpost").split("\n");
    expect(files.filter((file) => !owned.includes(file))).toEqual([]);
  });

  test("whoever disabled the service keeps it disabled over an update", () => {
    machine.run("systemctl", "disable", "fieldpost");
    machine.install("fieldpost", version);
    expect(
      spawnSync("chroot", [machine.root, "systemctl", "is-enabled", "fieldpost"]).stdout.toString().trim(),
    ).toBe("disabled");
    machine.run("systemctl", "enable", "fieldpost");
  });

  test("a downgrade reads the outbox too", () => {
    const before = machine.outbox();
    machine.install("fieldpost", version);
    machine.runNode();
    const after = machine.outbox();
    expect(after.stream).toBe(before.stream);
    expect(after.depth).toBeGreaterThan(before.depth);
  });

  test("the package for the system's Node.js takes its place, outbox and all", () => {
    const before = machine.outbox();
    machine.run("dpkg", "-r", "fieldpost");
    machine.install("fieldpost-app", version);
    expect(existsSync(machine.file("usr/lib/fieldpost/node"))).toBe(false);
    machine.runNode();
    expect(machine.outbox().depth).toBeGreaterThan(before.depth);
  });

  test("removing it leaves configuration and readings", () => {
    appendFileSync(machine.file("etc/fieldpost/credentials/mqtt_password"), "secret");
    machine.run("dpkg", "-r", "fieldpost-app");
    expect(existsSync(machine.file("usr/bin/fieldpost"))).toBe(false);
    expect(existsSync(machine.file("usr/lib/fieldpost"))).toBe(false);
    expect(readFileSync(machine.file("etc/fieldpost/fieldpost.yaml"), "utf8")).toBe(CONFIG);
    expect(readFileSync(machine.file("etc/fieldpost/credentials/mqtt_password"), "utf8")).toBe("secret");
    expect(existsSync(machine.file("var/lib/fieldpost/outbox"))).toBe(true);
  });

  test("purging it leaves nothing", () => {
    machine.run("dpkg", "--purge", "fieldpost-app", "fieldpost");
    for (const path of ["etc/fieldpost", "var/lib/fieldpost", "usr/lib/fieldpost"])
      expect(existsSync(machine.file(path))).toBe(false);
  });
});
