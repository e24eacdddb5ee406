import assert from "node:assert/strict";
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
  loadModule,
  setParameter,
  simulateChip,
  traceLine,
} from "./kernel.ts";

/**
 * The built program as it runs on a board: GPIO, I2C and 1-Wire by the kernel, a broker beside it. The tests are one
 * story and follow each other.
 */

const DOOR = 17;
const PUMP = 22;
const TAKEN_LINE = 4;
const CONFIG = "/run/fieldpost.yaml";

const chip = simulateChip({ name: "header", label: "pinctrl-bcm2711", lineCount: 54, hog: TAKEN_LINE });
loadModule("w1_sim");
loadModule("i2c_loop");
const climate = attachChip(0x76);
for (const [register, values] of bme280Registers()) climate.poke(register, values);
const broker = await startMosquitto();
const consumer = await subscribe(broker.port);
after(async () => {
  await consumer.end();
  await broker.stop();
});

const YAML = `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}", reconnect: { min: 100ms, max: 200ms } }
buffer: { path: /run/outbox }
buses: { i2c: { main: { device: /dev/i2c-${i2cBusNumber("loop bus")} } } }
sensors:
  - { id: air, driver: bme280, interval: 200ms }
  - { id: tank, driver: ds18b20, wire_id: 28-009876543210, interval: 1s }
  - { id: door, driver: digital_input, pin: ${DOOR}, interval: 10s }
  - { id: board, driver: host, interval: 500ms }
actuators:
  - { id: pump, driver: digital_output, pin: ${PUMP}, initial: off, safe: off }
`;
writeFileSync(CONFIG, YAML);
let node: BundleProcess;
start();

test("readings of every chip arrive", async () => {
  const air = await consumer.hear("telemetry/air");
  assert.equal(air.json.temperature, 25.08);
  assert.equal(air.json.pressure, 1006.53);
  assert.equal((await consumer.hear("telemetry/tank")).json.temperature, 21.5);
  assert.equal((await consumer.hear("telemetry/door")).json.active, false);
  assert.ok((await consumer.hear("telemetry/board")).json.uptime > 0);
});

test("a contact that closes is told at once", async () => {
  chip.drive(DOOR, 1);
  await consumer.hear("telemetry/door", ({ json }) => json.active === true, 2_000);
});

test("a command moves the line", async () => {
  assert.equal(chip.level(PUMP), 0);
  await consumer.publish("command/pump", '{"id":"c1","set":"on"}');
  assert.equal((await consumer.hear("result/pump", ({ json }) => json.id === "c1")).json.status, "done");
  assert.equal(chip.level(PUMP), 1);
});

test("a bus that fails is a fault and not a reading, and heals by itself", async () => {
  setParameter("i2c_loop", "fail", 110);
  await consumer.hear("fault/air", ({ payload }) => payload !== "");
  setParameter("i2c_loop", "fail", 0);
  const failed = consumer.heard.length;
  await hearAfter(failed, "fault/air", ({ payload }) => payload === "");
  await hearAfter(failed, "telemetry/air", ({ json }) => json.temperature === 25.08);
});

test("a thermometer that loses its supply reports no 85 °C", async () => {
  setParameter("w1_sim", "fault", "3,0");
  await consumer.hear("fault/tank", ({ payload }) => payload !== "");
  setParameter("w1_sim", "fault", "0,0");
  await hearAfter(consumer.heard.length, "fault/tank", ({ payload }) => payload === "");
  assert.ok(
    consumer.heard.every(({ topic, json }) => topic !== "telemetry/tank" || json.temperature === 21.5),
  );
});

test("a kill gives the line back, and the next start takes it to its initial value", async () => {
  await node.end("SIGKILL");
  // This chip lets go of a line that nobody has; a Raspberry Pi's goes on driving it.
  chip.drive(PUMP, 1);
  assert.equal(chip.level(PUMP), 1);
  const heard = consumer.heard.length;
  start();
  await eventually("the pump is off", () => chip.level(PUMP) === 0);
  await hearAfter(heard, "event/boot", ({ json }) => json.reason === "killed");
});

test("SIGTERM makes the line safe, says goodbye and ends within five seconds", async () => {
  await consumer.publish("command/pump", '{"id":"c2","set":"on"}');
  await eventually("the pump is on", () => chip.level(PUMP) === 1);
  const heard = consumer.heard.length;
  const toldAtMs = performance.now();
  const events = await traceLine(chip.base + PUMP, async () => {
    assert.deepEqual(await node.end("SIGTERM"), { code: 0, signal: null });
  });
  assert.ok(performance.now() - toldAtMs < 5_000);
  assert.deepEqual(events, ["set 0"]);
  await hearAfter(heard, "status", ({ payload }) => payload === "offline");
});

test("of all its records, over all its runs, none is missing", () => {
  assert.deepEqual(consumer.ledger.verdict().missing, []);
});

test("an actuator on a line that a kernel driver owns is named, and the rest goes on", async () => {
  writeFileSync(CONFIG, YAML.replace(`pin: ${PUMP}`, `pin: ${TAKEN_LINE}`));
  const heard = consumer.heard.length;
  start();
  await node.printed("GPIO4");
  await hearAfter(heard, "telemetry/air", ({ json }) => json.temperature === 25.08);
  assert.equal((await node.end("SIGTERM")).code, 0);
});

function start(): void {
  node = startBundle(["run", "--config", CONFIG]);
}

/** Resolves when a message comes that fits, after the first `heard` ones. */
async function hearAfter(heard: number, topic: string, fits: (message: Heard) => boolean): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (consumer.heard.slice(heard).some((message) => message.topic === topic && fits(message))) return;
    await sleep(10);
  }
  throw new Error(`nothing fitting came on ${topic}`);
}
