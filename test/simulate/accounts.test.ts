import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { simulate } from "../../src/simulate/simulate.ts";

/** A driver whose records are so long that a small outbox fills in minutes. */
const wide = {
  name: "wide",
  bus: "host",
  chip: "none",
  description: "a long record",
  datasheet: "none",
  options: {},
  fields: Object.fromEntries(
    Array.from({ length: 200 }, (_, nth) => [`quantity_${nth}`, { unit: "", precision: 3 }]),
  ),
  open: async () => ({
    read: async () =>
      Object.fromEntries(Array.from({ length: 200 }, (_, nth) => [`quantity_${nth}`, nth + 0.123])),
  }),
} as never;

test("an outage so long that most readings must go, power cuts in it: every number is accounted for, and every run tells of itself", {
  timeout: 120_000,
}, async () => {
  const sim = await simulate({
    config: `
device: { id: n1 }
mqtt: { url: mqtt://sim, reconnect: { min: 1s, max: 2s } }
buffer: { max_size: 1MiB, replay: { rate: 0 } }
sensors: [{ id: wide, driver: wide, interval: 1s }]
`,
    drivers: [wide],
  });
  await sim.advance("5s");
  sim.broker.cut();
  for (let round = 0; round < 4; round++) {
    await sim.advance("3m");
    await sim.restart("power_cut");
    await sim.advance("7m");
  }
  sim.broker.restore();
  await sim.advance("2m");
  const { lost, missing, dropped } = sim.audit();
  expect({ lost, missing }).toEqual({ lost: 0, missing: [] });
  expect(dropped).toBeGreaterThan(1_000);
  // Joined: not one for each segment that ever went.
  expect(sim.messages("event/dropped").length).toBeLessThan(60);
  expect(new Set(sim.messages("event/boot").map(({ json }) => json.boot))).toEqual(new Set([1, 2, 3, 4, 5]));
  await sim.stop();
});

/** Messages of the user's own code are events, and long ones fill a small outbox at will. */
const randomText = () => randomBytes(40_000).toString("base64");

test("an outbox that takes nothing new, full of events and of what is too old: every number is accounted for in the end, killed in it", {
  timeout: 120_000,
}, async () => {
  const sim = await simulate({
    config: `
device: { id: n1 }
mqtt: { url: mqtt://sim, reconnect: { min: 1s, max: 2s } }
buffer: { max_size: 1MiB, max_age: 10m, when_full: drop_newest, replay: { rate: 0 } }
sensors: [{ id: wide, driver: wide, interval: 1s }]
`,
    drivers: [wide],
  });
  await sim.advance("5s");
  sim.broker.cut();
  for (const ending of ["kill", "clean", "power_cut"] as const) {
    for (let message = 0; message < 6; message++) {
      await sim.user.publish("note", randomText(), { buffered: true });
      await sim.advance("1m");
    }
    await sim.restart(ending);
    await sim.advance("2m");
  }
  sim.broker.restore();
  await sim.advance("3m");
  const { lost, missing, dropped } = sim.audit();
  expect({ lost, missing }).toEqual({ lost: 0, missing: [] });
  expect(dropped).toBeGreaterThan(500);
  const reasons = new Set(sim.messages("event/dropped").map(({ json }) => json.reason));
  expect(reasons).toContain("expired");
  expect(reasons).toContain("full");
  await sim.stop();
});

test("events that push out each other and the words of earlier losses, the node killed as soon as they did: every number is accounted for", {
  timeout: 120_000,
}, async () => {
  const sim = await simulate({
    config: `
device: { id: n1 }
mqtt: { url: mqtt://sim, reconnect: { min: 1s, max: 2s } }
buffer: { max_size: 1MiB, when_full: thin, replay: { rate: 0 } }
sensors: [{ id: wide, driver: wide, interval: 10s }]
`,
    drivers: [wide],
  });
  await sim.advance("5s");
  sim.broker.cut();
  await sim.advance("1m");
  // Its boot record tells of skipped numbers.
  await sim.restart("power_cut");
  for (let kill = 0; kill < 16; kill++) {
    await sim.advance("5s");
    for (let message = 0; message < 3; message++) {
      await sim.user.publish("note", randomText(), { buffered: true });
      if (message === kill % 4) await sim.restart("kill");
    }
  }
  await sim.advance("5s");
  sim.broker.restore();
  await sim.advance("2m");
  const { lost, missing, skipped } = sim.audit();
  expect({ lost, missing }).toEqual({ lost: 0, missing: [] });
  expect(skipped).toBeGreaterThan(0);
  // Told anew, and joined.
  const reasons = sim.messages("event/dropped").map(({ json }) => json.reason);
  expect(reasons).toContain("skipped");
  expect(reasons.length).toBeLessThan(60);
  expect(sim.messages("event/boot").some(({ json }) => json.skipped)).toBe(false);
  await sim.stop();
});
