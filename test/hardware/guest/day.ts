import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Aedes } from "aedes";
import { startBundle } from "../../process/bundle.ts";
import { subscribe } from "../../process/subscriber.ts";
import { loadModule, setParameter, simulateChip } from "./kernel.ts";

/**
 * A day in the life of the built program, with a broker and a consumer beside it, in a kernel whose clock jumps over the
 * time in which nobody has anything to do. Writes what happened to `argv[2]`. `argv[3]`: hours.
 */
export interface DayReport {
  readonly readings: number;
  /** Temperatures that arrived, °C, other than those that the thermometer had. */
  readonly wrongReadings: readonly number[];
  readonly pulsesGiven: number;
  readonly pulsesCounted: number;
  readonly missedEdges: number;
  readonly missing: readonly unknown[];
  readonly faults: readonly string[];
  /** Resident memory of the program, kB, at the end of each hour. */
  readonly residentKb: readonly number[];
  readonly hoursOnTheWallClock: number;
  readonly exitCode: number | null;
}

const RAIN = 27;
const PULSES_PER_MINUTE = 3;
const TANK = "28-009876543210";

const [, , report = "", hours = "24"] = process.argv;

const chip = simulateChip({ name: "header", label: "pinctrl-bcm2711", lineCount: 54 });
loadModule("w1_sim", `temperature=${celsiusAt(0) * 1_000}`);
const broker = await Aedes.createBroker();
const port = 1883;
await once(createServer(broker.handle).listen(port, "127.0.0.1"), "listening");
const consumer = await subscribe(port);

writeFileSync(
  "/run/day.yaml",
  `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${port}" }
buffer: { path: /run/outbox, max_size: 1MiB }
health: { interval: 10m }
sensors:
  - { id: tank, driver: ds18b20, wire_id: ${TANK}, interval: 1m }
  - { id: rain, driver: pulse_counter, pin: ${RAIN}, edge: rising, interval: 1m }
`,
);
const startMs = Date.now();
const node = startBundle(["run", "--config", "/run/day.yaml"]);
await consumer.hear("telemetry/rain", () => true, 120_000);

let pulsesGiven = 0;
const residentKb: number[] = [];
for (let minute = 0; minute < Number(hours) * 60; minute++) {
  setParameter("w1_sim", "temperature", `${celsiusAt(minute) * 1_000},22500`);
  for (let pulse = 0; pulse < PULSES_PER_MINUTE; pulse++) {
    await sleep(10_000);
    chip.drive(RAIN, 1);
    await sleep(50);
    chip.drive(RAIN, 0);
    pulsesGiven++;
  }
  await sleep(60_000 - PULSES_PER_MINUTE * 10_050);
  if (minute % 60 === 59) residentKb.push(residentKbOf(node.child.pid!));
}
// The last pulses are in the next reading.
await sleep(61_000);
const { code } = await node.end("SIGTERM");
await sleep(1_000);

const tank = consumer.heard.filter(({ topic }) => topic === "telemetry/tank");
const rain = consumer.heard.filter(({ topic }) => topic === "telemetry/rain");
const possible = new Set([0, 1, 2, 3].map((hour) => celsiusAt(hour * 60)));
const result: DayReport = {
  readings: tank.length,
  wrongReadings: tank.map(({ json }) => json.temperature).filter((celsius) => !possible.has(celsius)),
  pulsesGiven,
  pulsesCounted: rain.reduce((sum, { json }) => sum + json.count, 0),
  missedEdges: rain.reduce((sum, { json }) => sum + (json.missed ?? 0), 0),
  missing: consumer.ledger.verdict().missing,
  faults: consumer.heard
    .filter(({ topic, payload }) => topic.startsWith("fault/") && payload !== "")
    .map(({ payload }) => payload),
  residentKb,
  hoursOnTheWallClock: (Date.now() - startMs) / 3_600_000,
  exitCode: code,
};
writeFileSync(report, JSON.stringify(result));
process.exit();

/** Another whole temperature each hour, one of four, below zero too. */
function celsiusAt(minute: number): number {
  return [21, -5, 0, 60][Math.floor(minute / 60) % 4]!;
}

function residentKbOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}
