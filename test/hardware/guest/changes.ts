import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startMosquitto } from "../../broker/mosquitto.ts";
import { type BundleProcess, startBundle } from "../../process/bundle.ts";
import { type Heard, subscribe } from "../../process/subscriber.ts";
import { bme280Registers } from "./bme280-registers.ts";
import {
  attachChip,
  eventually,
  i2cBusNumber,
  type LoopChip,
  loadModule,
  setParameter,
  simulateChip,
} from "./kernel.ts";
import { openPty } from "./pty.ts";

/** The built program on a board whose chips come and go and whose clock is set. The tests are one story. */

const PUMP = 22;
const CONFIG = "/run/fieldpost.yaml";
const START_OF_TIME_S = 100;
const TRUE_TIME_S = Date.UTC(2026, 10, 23, 12) / 1_000;

/** What a board without a battery clock takes for the time after it was switched on. */
setWallClock(START_OF_TIME_S);
const chip = simulateChip({ name: "header", label: "pinctrl-bcm2711", lineCount: 54 });
loadModule("i2c_loop");
loadModule("w1_sim");
loadModule("spi_sim");
const uart = openPty();
uart.hear((bytes) => {
  if (bytes[2] === 0x86) uart.say([0xff, 0x86, 0x02, 0x20, 0, 0, 0, 0, 0x58]);
});
const broker = await startMosquitto();
const consumer = await subscribe(broker.port);

writeFileSync(
  CONFIG,
  `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}", reconnect: { min: 100ms, max: 200ms } }
buffer: { path: /run/outbox }
buses: { i2c: { main: { device: /dev/i2c-${i2cBusNumber("loop bus")} } } }
sensors:
  - { id: air, driver: bme280, interval: 200ms }
  - { id: tank, driver: ds18b20, wire_id: 28-009876543210, interval: 1s }
  - { id: level, driver: mcp3008, interval: 200ms }
  - { id: co2, driver: mh_z19, device: ${uart.path}, warm_up: 0s, interval: 500ms }
actuators:
  - { id: pump, driver: digital_output, pin: ${PUMP}, initial: off, safe: off }
`,
);
await broker.down();
const node: BundleProcess = startBundle(["run", "--config", CONFIG]);
after(async () => {
  await node.end("SIGTERM");
  await consumer.end();
  await broker.stop();
  uart.unplug();
});

let climate: LoopChip;
const plugIn = () => {
  climate = attachChip(0x76);
  for (const [register, values] of bme280Registers()) climate.poke(register, values);
};

test("readings taken before the clock was set, and sent after it, carry the true time", async () => {
  await node.printed("fieldpost is running", 30_000);
  await sleep(1_000);
  setWallClock(TRUE_TIME_S);
  const setAtMs = performance.now();
  await sleep(1_500);
  await broker.restart();
  const { json } = await consumer.hear("telemetry/level", ({ json }) => json.clock === "repaired");
  const ageMs = TRUE_TIME_S * 1_000 - Date.parse(json.time);
  assert.ok(ageMs > 0 && ageMs < 30_000, `taken ${ageMs} ms before the clock was set`);
  const { json: event } = await consumer.hear("event/clock");
  assert.equal(event.synced, true);
  const fresh = await consumer.hear("telemetry/level", ({ json }) => json.clock === undefined);
  const lateMs = Date.parse(fresh.json.time) - TRUE_TIME_S * 1_000;
  assert.ok(lateMs >= 0 && lateMs < performance.now() - setAtMs, fresh.json.time);
});

test("a chip that is not there is a fault, and the others are read", async () => {
  const { json } = await consumer.hear("fault/air", ({ payload }) => payload !== "");
  assert.match(json.error, /0x76/);
  await consumer.hear("telemetry/level");
  await consumer.hear("telemetry/tank");
  assert.ok(consumer.heard.every(({ topic }) => topic !== "telemetry/air"));
});

test("a chip that appears is read without a restart", async () => {
  const heard = consumer.heard.length;
  plugIn();
  await hearAfter(heard, "telemetry/air", ({ json }) => json.temperature === 25.08);
  await hearAfter(heard, "fault/air", ({ payload }) => payload === "");
});

test("a chip that disappears is a fault, again and again, and read each time it is back", async () => {
  for (let times = 0; times < 3; times++) {
    const heard = consumer.heard.length;
    climate.detach();
    await hearAfter(heard, "fault/air", ({ payload }) => payload !== "");
    plugIn();
    await hearAfter(heard, "fault/air", ({ payload }) => payload === "");
    await hearAfter(consumer.heard.length, "telemetry/air", ({ json }) => json.temperature === 25.08);
  }
});

test("a thermometer that is unplugged is a fault, and read when it is back", async () => {
  const heard = consumer.heard.length;
  setParameter("w1_sim", "fault", "1,0");
  await hearAfter(heard, "fault/tank", ({ payload }) => payload !== "");
  setParameter("w1_sim", "fault", "0,0");
  await hearAfter(heard, "fault/tank", ({ payload }) => payload === "");
});

test("a chip on a serial line is asked and answers", async () => {
  await consumer.hear("telemetry/co2", ({ json }) => json.carbon_dioxide === 544);
});

test("an SPI bus that fails is a fault, and read when it works again", async () => {
  const heard = consumer.heard.length;
  setParameter("spi_sim", "fail", 5);
  await hearAfter(heard, "fault/level", ({ payload }) => payload !== "");
  setParameter("spi_sim", "fail", 0);
  await hearAfter(heard, "fault/level", ({ payload }) => payload === "");
});

for (const [stepS, direction] of [
  [86_400, "forward"],
  [-90_000, "back"],
] as const) {
  test(`a wall clock that steps ${direction} by a day moves neither a lease nor an interval`, async () => {
    const heard = consumer.heard.length;
    await consumer.publish("command/pump", `{"id":"step${stepS}","set":"on","for":"2s"}`);
    await eventually("the pump is on", () => chip.level(PUMP) === 1);
    const onAtMs = performance.now();
    setWallClock(Math.floor(Date.now() / 1_000) + stepS);
    const before = await countReadings(1_000);
    assert.equal(chip.level(PUMP), 1);
    await eventually("the pump is off", () => chip.level(PUMP) === 0);
    const onMs = performance.now() - onAtMs;
    assert.ok(onMs > 1_500 && onMs < 4_000, `it was on for ${onMs} ms`);
    assert.ok(before >= 2 && before <= 8, `${before} readings in a second, of 5`);
    const { json } = await hearAfter(heard, "event/clock", () => true);
    assert.ok(Math.abs(json.step_ms - stepS * 1_000) < 1_500, String(json.step_ms));
  });
}

test("of all its records none is missing", async () => {
  await sleep(500);
  assert.deepEqual(consumer.ledger.verdict().missing, []);
});

function setWallClock(epochS: number): void {
  execFileSync("busybox", ["date", "-u", "-s", `@${epochS}`], { stdio: "ignore" });
}

async function countReadings(durationMs: number): Promise<number> {
  const heard = consumer.heard.length;
  await sleep(durationMs);
  return consumer.heard.slice(heard).filter(({ topic }) => topic === "telemetry/level").length;
}

/** Resolves with the first message that fits, after the first `heard` ones. */
async function hearAfter(heard: number, topic: string, fits: (message: Heard) => boolean): Promise<Heard> {
  for (let tries = 0; tries < 1_500; tries++) {
    const found = consumer.heard.slice(heard).find((message) => message.topic === topic && fits(message));
    if (found) return found;
    await sleep(10);
  }
  throw new Error(`nothing fitting came on ${topic}`);
}
