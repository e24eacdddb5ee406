import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import i2c from "i2c-bus";
import { connectAsync } from "mqtt";
import onoff from "onoff";
import { deviceAt } from "../src/device/i2c.ts";
import { linuxBoard } from "../src/device/linux/board.ts";
import { linuxClock } from "../src/device/linux/clock.ts";
import { bme280 } from "../src/sensors/bme280.ts";
import { startMosquitto } from "../test/broker/mosquitto.ts";
import { bme280Registers } from "../test/hardware/guest/bme280-registers.ts";
import { attachChip, i2cBusNumber, loadModule, simulateChip } from "../test/hardware/guest/kernel.ts";
import type { HardwareRound } from "./hardware.ts";

/** One round of the bench's part `hardware`, in the guest: the built program is `argv[2]`, the result goes to `argv[3]`. */

const DOOR = 17;
const FAST = 27;
const LATENCY_ROUNDS = 200;
const RATE_S = 3;
const BURST_MS = 300;
const READINGS = 200;
const ADDRESS = 0x76;

const [, , program = "", result = ""] = process.argv;

const chip = simulateChip({ name: "header", label: "pinctrl-bcm2711", lineCount: 54 });
loadModule("i2c_loop");
const climate = attachChip(ADDRESS);
for (const [register, values] of bme280Registers()) climate.poke(register, values);
const bus = i2cBusNumber("loop bus");
const clock = linuxClock();
const board = linuxBoard({ clock });

const latencies = await measureLatency();
const cdev = await measureCounting(openCdev);
const viaSysfs = await measureCounting(openOnoff);
const reading = await measureReading();

const round: HardwareRound = {
  ...latencies,
  raisedPerSecond: cdev.raised / RATE_S,
  cdevPerSecond: cdev.counted / RATE_S,
  onoffPerSecond: (viaSysfs.counted / viaSysfs.raised) * (cdev.raised / RATE_S),
  burstRaised: cdev.burstRaised,
  cdevBurst: cdev.burst,
  onoffBurst: viaSysfs.burst,
  cdevCpuUs: cdev.cpuUs / cdev.raised,
  onoffCpuUs: viaSysfs.cpuUs / viaSysfs.raised,
  ...reading,
};
writeFileSync(result, JSON.stringify(round));
process.exit();

/** From a wire that changes to the message at a subscriber, through the built program; and MQTT.js alone, in turns. */
async function measureLatency(): Promise<Pick<HardwareRound, "edgeToMessageMs" | "publishToMessageMs">> {
  // Else the broker holds a small message back until the last one was acknowledged, which receivers put off for 40 ms.
  const broker = await startMosquitto({ extra: ["set_tcp_nodelay true"] });
  const client = await connectAsync({ host: "127.0.0.1", port: broker.port });
  await client.subscribeAsync(["bench", "fieldpost/n1/telemetry/door"], { qos: 0 });
  writeFileSync(
    "/run/bench.yaml",
    `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}" }
buffer: { path: /run/outbox }
sensors: [{ id: door, driver: digital_input, pin: ${DOOR}, debounce: 0ms, interval: 10m }]
`,
  );
  const message = (topic: string) =>
    new Promise<number>((resolve) => {
      const hear = (heard: string) => {
        if (heard !== topic) return;
        client.off("message", hear);
        resolve(performance.now());
      };
      client.on("message", hear);
    });
  const first = message("fieldpost/n1/telemetry/door");
  const node = spawn(process.execPath, [program, "run", "--config", "/run/bench.yaml"], { stdio: "ignore" });
  await first;
  const edges: number[] = [];
  const publishes: number[] = [];
  for (let nth = 0; nth < LATENCY_ROUNDS; nth++) {
    await sleep(5 + 10 * Math.random());
    const edge = message("fieldpost/n1/telemetry/door");
    const edgeAtMs = performance.now();
    chip.drive(DOOR, nth % 2 === 0 ? 1 : 0);
    edges.push((await edge) - edgeAtMs);
    const publish = message("bench");
    const publishAtMs = performance.now();
    client.publish("bench", "x", { qos: 1 });
    publishes.push((await publish) - publishAtMs);
  }
  node.kill("SIGTERM");
  await once(node, "exit");
  await client.endAsync(true);
  await broker.stop();
  return { edgeToMessageMs: spread(edges), publishToMessageMs: spread(publishes) };
}

interface Counter {
  count(): number;
  close(): Promise<void>;
}

/** Counts a line's edges while another process moves it as fast as it can; then a burst while this one is busy. */
async function measureCounting(open: () => Promise<Counter>) {
  const counter = await open();
  const before = interrupts();
  const cpuBefore = process.cpuUsage();
  const driver = drive(RATE_S * 1_000);
  await once(driver, "exit");
  const { user, system } = process.cpuUsage(cpuBefore);
  await sleep(100);
  const raised = interrupts() - before;
  const counted = counter.count();

  const burstBefore = interrupts();
  const burstDriver = drive(BURST_MS);
  block(BURST_MS * 3);
  if (burstDriver.exitCode === null) await once(burstDriver, "exit");
  await sleep(100);
  const burst = counter.count() - counted;
  const burstRaised = interrupts() - burstBefore;
  await counter.close();
  return { raised, counted, cpuUs: user + system, burst, burstRaised };
}

/** A process of its own that moves the line at every tick. */
function drive(durationMs: number): ChildProcess {
  const wire = chip.wire(FAST);
  const code = `
    const fs = require("node:fs");
    const wait = new Int32Array(new SharedArrayBuffer(4));
    const fd = fs.openSync(${JSON.stringify(wire)}, "w");
    const endMs = performance.now() + ${durationMs};
    for (let nth = 0; performance.now() < endMs; nth++) {
      fs.writeSync(fd, nth % 2 === 0 ? "pull-up" : "pull-down", 0);
      Atomics.wait(wait, 0, 0, 1);
    }`;
  return spawn(process.execPath, ["-e", code], { stdio: "inherit" });
}

async function openCdev(): Promise<Counter> {
  const line = await board.gpio.input({ pin: FAST, edges: "both" });
  const stop = new AbortController();
  let counted = 0;
  const counting = (async () => {
    for await (const _ of line.edges(stop.signal)) counted++;
  })();
  return {
    count: () => counted,
    async close() {
      stop.abort();
      await counting;
      await line.close();
    },
  };
}

async function openOnoff(): Promise<Counter> {
  let counted = 0;
  const gpio = new onoff.Gpio(chip.base + FAST, "in", "both");
  gpio.watch(() => void counted++);
  return {
    count: () => counted,
    async close() {
      gpio.unwatchAll();
      gpio.unexport();
    },
  };
}

/** Of all simulated lines: those of this part are the only ones that move. */
function interrupts(): number {
  const lines = readFileSync("/proc/interrupts", "utf8")
    .split("\n")
    .filter((line) => /gpio|fieldpost/i.test(line));
  return lines.reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[1]), 0);
}

/** A whole reading by the product's driver on its orderly bus; and as many bytes by i2c-bus. */
async function measureReading(): Promise<Pick<HardwareRound, "readingMs" | "bareReadingMs">> {
  const options = { oversampling: 1, iir_filter: 0 } as const;
  // The chip measures for some milliseconds, in which the driver sleeps: that is not the driver's.
  const impatient = { ...clock, sleep: async () => {} };
  const sensor = await bme280.open(deviceAt(board.i2c(`/dev/i2c-${bus}`), ADDRESS), options, impatient);
  const bare = await i2c.openPromisified(bus);
  const buffer = Buffer.alloc(8);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let nth = 0; nth < READINGS; nth++) {
    ours.push(await timed(() => sensor.read()));
    theirs.push(await timed(() => bare.readI2cBlock(ADDRESS, 0xf7, 8, buffer)));
  }
  await bare.close();
  await board.close();
  return { readingMs: spread(ours).median, bareReadingMs: spread(theirs).median };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function block(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}

function spread(values: readonly number[]): { median: number; p99: number } {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]! };
}
