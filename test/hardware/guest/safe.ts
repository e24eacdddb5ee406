import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type BundleProcess, startBundle } from "../../process/bundle.ts";
import { attachChip, eventually, i2cBusNumber, loadModule, simulateChip } from "./kernel.ts";

/**
 * What is simulated keeps its outputs when its process ends, as a Raspberry Pi does: lines by sysfs, and a relay board
 * behind a port expander, whose registers are memory. systemd is played by the test: it kills, and then runs the service's
 * ExecStopPost.
 */

const PUMP = 22;
const OLD_PUMP = 23;
const CONFIG = "/run/fieldpost.yaml";
const HANGING = "/run/hanging";
/** MCP23017: OLATA, IODIRA. */
const LEVELS = 0x14;
const DIRECTIONS = 0x00;

const chip = simulateChip({ name: "header", label: "pinctrl-bcm2711", lineCount: 54 });
loadModule("i2c_loop");
const expander = attachChip(0x20);
expander.poke(0, [0xff, 0xff]);

const hang = `
import { writeFileSync } from "node:fs";
export default {
  name: "hang", chip: "none", description: "none", datasheet: "none", bus: "host", options: {},
  fields: { count: { unit: "", precision: 0 } },
  async open() {
    let reads = 0;
    return { async read() {
      if (++reads < 3) return { count: reads };
      writeFileSync("${HANGING}", "");
      for (;;);
    } };
  },
};
`;
writeFileSync("/run/hang.js", hang);
writeFileSync("/run/package.json", '{"type":"module"}');

function configure(sensors: string): void {
  writeFileSync(
    CONFIG,
    `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:1", username: n1, password: "\${file:/run/password}" }
buffer: { path: /run/outbox }
gpio: { backend: sysfs }
buses: { i2c: { main: { device: /dev/i2c-${i2cBusNumber("loop bus")} } } }
expanders: { relays: { chip: mcp23017 } }
sensors: [${sensors}]
actuators:
  - { id: pump, driver: digital_output, pin: ${PUMP}, initial: on }
  - { id: old, driver: digital_output, pin: ${OLD_PUMP}, active_low: true, initial: on }
  - { id: heater, driver: relay_board, expander: relays, relay: 4, initial: on }
  - { id: blind, driver: cover, open_pin: 5, close_pin: 6, open_time: 30s, initial: open }
`,
  );
  writeFileSync("/run/password", "secret");
}

const outputs = () => ({
  pump: chip.level(PUMP),
  old: chip.level(OLD_PUMP),
  opening: chip.level(5),
  closing: chip.level(6),
  heater: (expander.peek(LEVELS) >> 3) & 1,
});
const RUNNING = { pump: 1, old: 0, opening: 1, closing: 0, heater: 0 };
const SAFE = { pump: 0, old: 1, opening: 0, closing: 0, heater: 1 };
const same = (one: object, other: object) => JSON.stringify(one) === JSON.stringify(other);

async function started(sensors = ""): Promise<BundleProcess> {
  configure(sensors);
  const node = startBundle(["run", "--config", CONFIG]);
  await eventually("everything runs", () => same(outputs(), RUNNING)).catch((error: Error) => {
    throw new Error(`${error.message}; but ${JSON.stringify(outputs())}\n${node.stderr()}`);
  });
  return node;
}

/** As ExecStopPost does. Resolves with the time from exec to the last output being safe. */
async function stopPost(): Promise<number> {
  const startMs = performance.now();
  const post = startBundle(["safe", "--config", CONFIG]);
  let safeAfterMs = Number.POSITIVE_INFINITY;
  const watch = (async () => {
    while (post.child.exitCode === null && !same(outputs(), SAFE)) await sleep(2);
    safeAfterMs = performance.now() - startMs;
  })();
  const { code } = await post.exited;
  await watch;
  assert.equal(code, 0, post.stderr());
  assert.deepEqual(outputs(), SAFE);
  assert.equal((expander.peek(DIRECTIONS) >> 3) & 1, 0);
  return safeAfterMs;
}

test("a killed process leaves everything running, and the command makes it safe", async () => {
  const node = await started();
  await node.end("SIGKILL");
  await sleep(300);
  assert.deepEqual(outputs(), RUNNING);
  await stopPost();
  await sleep(300);
  assert.deepEqual(outputs(), SAFE);
});

test("so it is where the event loop hangs and the watchdog ends the node", async () => {
  const node = await started("{ id: hang, driver: ./hang.js, interval: 100ms }");
  await eventually("it hangs", () => existsSync(HANGING));
  // What a node that is well does at once, this one never does.
  node.child.kill("SIGTERM");
  await sleep(1_000);
  assert.equal(node.child.exitCode, null);
  assert.deepEqual(outputs(), RUNNING);
  node.child.kill("SIGKILL");
  await node.exited;
  assert.deepEqual(outputs(), RUNNING);
  await stopPost();
});

test("and where it is aborted", async () => {
  const node = await started();
  await node.end("SIGABRT");
  await stopPost();
});

test("a password that is gone with the process does not keep the outputs from being made safe", async () => {
  const node = await started();
  await node.end("SIGKILL");
  rmSync("/run/password");
  await stopPost();
});

test("it takes no longer than a blink", async () => {
  const timesMs: number[] = [];
  for (let round = 0; round < 5; round++) {
    const node = await started();
    await node.end("SIGKILL");
    timesMs.push(await stopPost());
  }
  timesMs.sort((a, b) => a - b);
  writeFileSync("/mnt/results/safe-ms", JSON.stringify(timesMs));
  // The target of 300 ms is the bench's; this kernel shares two processors with the other tests.
  assert.ok(timesMs[2]! < 10_000, `${timesMs}`);
});
