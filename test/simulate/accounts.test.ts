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

test("an outage so long that even the words of earlier losses must go, power cuts in it: every number is accounted for in the end", {
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
  // Told anew, and joined: not one for each segment that ever went.
  const reasons = sim.messages("event/dropped").map(({ json }) => json.reason);
  expect(reasons).toContain("skipped");
  expect(reasons.length).toBeLessThan(60);
  await sim.stop();
});
