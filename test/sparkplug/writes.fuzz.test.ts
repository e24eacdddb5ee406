import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digitalOutput } from "../../src/actuators/digital-output.ts";
import type { ActuatorConfig } from "../../src/config/config.ts";
import { topicsUnder } from "../../src/mqtt/convention/topics.ts";
import { modelOf } from "../../src/sparkplug/model.ts";
import { readWrites } from "../../src/sparkplug/writes.ts";
import { tahu } from "./host.ts";

const pump = { id: "pump", kind: digitalOutput, options: { pin: 22 } } as unknown as ActuatorConfig;
const model = modelOf(
  { sensors: [], actuators: [pump] },
  { version: "0", host: { model: "m", serial: undefined, hostname: "h" } },
);
const topics = topicsUnder("fieldpost/n1");
const read = (payload: Uint8Array, device: string | undefined = "pump") =>
  readWrites({ topic: "spBv1.0/g/DCMD/n1/pump", payload, retain: false, qos: 0 }, device, model, topics);
const texts = (payload: Uint8Array) =>
  read(payload).commands.map((command) => [command.topic, Buffer.from(command.payload).toString()]);
const written = (...metrics: readonly unknown[]) =>
  Buffer.from(tahu.encodePayload({ timestamp: 1, metrics }));

describe("what a host writes", () => {
  test("is a command of the contract, by name and by alias", () => {
    const alias = model.devices.get("pump")?.metrics.get("on")?.alias;
    const topic = "fieldpost/n1/command/pump";
    expect(texts(written({ name: "on", type: "Boolean", value: true }))).toEqual([[topic, '{"set":"on"}']]);
    expect(texts(written({ alias, type: "Boolean", value: false }))).toEqual([[topic, '{"set":"off"}']]);
    const whole = '{"id":"a","set":"on","for":"30s"}';
    expect(texts(written({ name: "state", type: "String", value: whole }))).toEqual([[topic, whole]]);
  });

  test.each([
    { name: "on", type: "Int32", value: 1 },
    { name: "on", type: "String", value: "on" },
    { name: "state", type: "Boolean", value: true },
    { name: "value", type: "Double", value: 1 },
    { name: "cause", type: "String", value: "on" },
    { name: "__proto__", type: "Boolean", value: true },
    { name: "on", alias: 1, type: "Boolean", value: true },
    { name: "on", type: "Boolean", value: null },
  ])("is nothing where no metric takes it: %j", (metric) => {
    expect(texts(written(metric))).toEqual([]);
  });

  test("that was damaged on its way writes the same metric of the same output, or nothing", () => {
    const good = written({ name: "on", type: "Boolean", value: true, timestamp: 1 });
    fc.assert(
      fc.property(
        fc.nat(good.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(good.length),
        (at, flip, cut) => {
          const bytes = Uint8Array.from(good.subarray(0, Math.max(cut, at)));
          if (at < bytes.length) bytes[at] = bytes[at]! ^ flip;
          for (const [topic, payload] of texts(bytes)) {
            expect(topic).toBe("fieldpost/n1/command/pump");
            expect(['{"set":"on"}', '{"set":"off"}']).toContain(payload);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("of any bytes never throws, to a device or to the node", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom("pump", "nobody", undefined),
        (bytes, device) => {
          const asked = read(bytes, device);
          expect(asked.commands.length).toBeLessThanOrEqual(64);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
