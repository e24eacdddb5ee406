import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

/** Of a Raspberry Pi 4 (BCM2711 ARM Peripherals, section 3: eight BSC masters, two of them the displays'). */
const HUNG_BUSES = 6;

/** Far more than files and a name from /etc/hosts take, even on a loaded machine. */
const LIMIT_MS = 3_000;

const startScript = fileURLToPath(new URL("../../deploy/package/root/fieldpost", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fieldpost-hung-bus-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Stands in for the program. A thread that opens a pipe nobody writes to is held as by a transfer that never ends. It
 * ends by a signal, because an orderly end of the process waits for its threads.
 */
const probe = `
import { writeSync, open } from "node:fs";
import { readFile } from "node:fs/promises";
import { lookup } from "node:dns/promises";
for (let bus = 0; bus < ${HUNG_BUSES}; bus++) open(${JSON.stringify(folder)} + "/bus-" + bus, "r", () => {});
const end = (text) => {
  writeSync(1, text);
  process.kill(process.pid, "SIGKILL");
};
setTimeout(end, ${LIMIT_MS}, "blocked");
Promise.all([readFile("/etc/hosts"), lookup("localhost")]).then(() => end("file and name"));
`;

for (let bus = 0; bus < HUNG_BUSES; bus++) execFileSync("mkfifo", [join(folder, `bus-${bus}`)]);
writeFileSync(join(folder, "probe.mjs"), probe);
writeFileSync(join(folder, "node"), `#!/bin/sh\nexec "${process.execPath}" "${folder}/probe.mjs"\n`);
chmodSync(join(folder, "node"), 0o755);

function run(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { UV_THREADPOOL_SIZE: _ours, ...inherited } = process.env;
  const path = `${folder}:${process.env["PATH"]}`;
  const { stdout } = spawn(command, {
    env: { ...inherited, ...env, PATH: path },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return text(stdout);
}

test.concurrent(`as the packages start it, ${HUNG_BUSES} hung buses block neither files nor names`, async () => {
  expect(await run(startScript)).toBe("file and name");
});

test.concurrent("with Node's own four threads they would", async () => {
  expect(await run(join(folder, "node"))).toBe("blocked");
});

test.concurrent("a number that the administrator sets is kept", async () => {
  expect(await run(startScript, { UV_THREADPOOL_SIZE: "4" })).toBe("blocked");
});
