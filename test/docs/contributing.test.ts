import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type SimChip, simulate } from "../../src/index.ts";
import type { AnySensorDriver } from "../../src/sensors/driver.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let talking: { default: AnySensorDriver };
let example: { default: AnySensorDriver; decodeTemperature(bytes: Uint8Array): number };

beforeAll(async () => {
  const text = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const code = /```ts\n\/\/ my-mcp9808\.ts\n([\s\S]*?)```/.exec(text)?.[1];
  folder = await mkdtemp(join(root, "test/docs/.example-"));
  const file = join(folder, "my-mcp9808.ts");
  await writeFile(file, code ?? "");
  example = await import(file);
  const second = join(folder, "my-load.ts");
  await writeFile(second, /```ts\n\/\/ my-load\.ts\n([\s\S]*?)```/.exec(text)?.[1] ?? "");
  talking = await import(second);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** An MCP9808 at a temperature: DS25095 revision B, registers 0x05 and 0x06. */
function mcp9808(celsius: () => number): SimChip {
  let pointer = 0;
  return {
    write(bytes) {
      pointer = bytes[0] ?? 0;
    },
    read() {
      const raw = pointer === 0x06 ? 0x0054 : Math.round(celsius() * 16) & 0x1fff;
      return Uint8Array.of(raw >> 8, raw & 0xff);
    },
  };
}

test.each([
  [[0xc1, 0x94], 25.25],
  [[0x1f, 0xb0], -5],
  [[0x00, 0x00], 0],
])("the worked example decodes %j as %d °C", (bytes, celsius) => {
  expect(example.decodeTemperature(Uint8Array.from(bytes))).toBe(celsius);
});

test("the worked example runs in a whole node", async () => {
  const sim = await simulate({
    config:
      "device: { id: n1 }\nmqtt: { url: mqtt://broker.example }\nsensors: [{ id: pond, driver: mcp9808, interval: 5s }]\n",
    drivers: [example.default],
  });
  let celsius = -5;
  sim.board.simBus("/dev/i2c-1").attach(
    0x18,
    mcp9808(() => celsius),
  );
  await sim.advance("20s");
  celsius = 21.5;
  await sim.advance("5s");
  const temperatures = sim.messages("telemetry/pond").map(({ json }) => json.temperature);
  expect(temperatures[0]).toBe(-5);
  expect(temperatures.at(-1)).toBe(21.5);
  await sim.stop();
});

test("the example of a driver that talks sets its zero point and says so", async () => {
  const sim = await simulate({
    config:
      "device: { id: n1 }\nmqtt: { url: mqtt://broker.example }\nsensors: [{ id: pi, driver: load, interval: 5s }]\n",
    drivers: [talking.default],
  });
  sim.world.set("host.load1", 0.5);
  await sim.advance("20s");
  await sim.broker.publish("garden/load/set_zero", "");
  await sim.advance("10s");
  expect(sim.messages("telemetry/pi")[0]?.json.load).toBe(0.5);
  expect(sim.messages("telemetry/pi").at(-1)?.json.load).toBe(0);
  expect(sim.broker.messages("garden/load/zero")).toMatchObject([{ payload: "0.5" }]);
  await sim.stop();
});
