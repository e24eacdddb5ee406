import { expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { type Simulation, simulate } from "../../src/simulate/simulate.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const INTERVALS_MS = { air: 2 * MINUTE_MS, soil: 4 * MINUTE_MS, tank: 4 * MINUTE_MS } as const;
type SensorId = keyof typeof INTERVALS_MS;

/** A driver that costs next to nothing, with so many values that a compressor gains little from as fill a small outbox. */
const DEPTHS = Array.from({ length: 16 }, (_, at) => `temperature_${at}`);

function sonde() {
  const random = seededRandom(20_260_101);
  return {
    name: "sonde",
    bus: "host",
    chip: "none",
    description: "sixteen values at random",
    datasheet: "none",
    options: {},
    fields: Object.fromEntries(DEPTHS.map((depth) => [depth, { unit: "°C", precision: 2 }])),
    open: async () => ({
      read: async () => Object.fromEntries(DEPTHS.map((depth) => [depth, 1000 * random()])),
    }),
  } as never;
}

interface Wanted {
  readonly whenFull: "thin" | "drop_oldest" | "drop_newest";
  readonly tail: boolean;
  readonly encoding: "json" | "cbor" | "senml+json" | "senml+cbor";
  readonly days: number;
}

/** A node whose broker was away so long, with a kill, a power cut and a restart meanwhile; all is delivered. */
async function afterOutage({ whenFull, tail, encoding, days }: Wanted): Promise<Simulation> {
  const sim = await simulate({
    config: `
device: { id: n1 }
mqtt: { url: mqtt://sim, reconnect: { min: 1s, max: 1h } }
telemetry: { encoding: ${encoding} }
health: { interval: 7d }
location: { time_zone: UTC }
buffer: { max_size: 1MiB, max_age: 365d, when_full: ${whenFull}, sync_after: 1m, replay: { rate: 0 }${tail ? ", tail: /run/fieldpost" : ""} }
sensors:
  - { id: air, driver: sonde, interval: 2m }
  - { id: soil, driver: sonde, interval: 4m }
  - { id: tank, driver: sonde, interval: 4m }
actuators: [{ id: pump, driver: digital_output, pin: 22 }]
rules:
  - { id: water, when: { schedule: "30 6 * * *", lasts: 20m }, set: { pump: on }, otherwise: { pump: off } }
`,
    drivers: [sonde()],
    lookEvery: "10m",
  });
  await sim.advance("2m");
  sim.broker.cut();
  for (const ending of ["kill", "power_cut", "clean"] as const) {
    await sim.advance((days / 4) * DAY_MS);
    await sim.restart(ending);
  }
  await sim.advance((days / 4) * DAY_MS);
  sim.broker.restore();
  // The next attempt to connect, and a look afterwards at what was lost.
  await sim.advance("90m");
  expect(sim.node.status().outbox.depth).toBeLessThan(10);
  return sim;
}

/** Everything is accounted for, and no event is missing. */
function expectComplete(sim: Simulation, days: number): void {
  const { lost, missing } = sim.audit();
  expect({ lost, missing }).toEqual({ lost: 0, missing: [] });
  const boots = new Set(sim.messages("event/boot").map(({ json }) => json.reason));
  expect(boots).toEqual(new Set(["first", "killed", "power_cut", "clean"]));
  const watered = sim
    .messages("event/actuator")
    .filter(({ json }) => json.cause === "rule" && json.state === "on");
  expect(watered.length).toBeGreaterThanOrEqual(days);
}

/** When a sensor's readings were taken that arrived, in order. */
function timesOf(sim: Simulation, sensor: SensorId): readonly number[] {
  const times = sim.messages(`telemetry/${sensor}`).map(({ json }) => Date.parse(json.time));
  return [...new Set(times)].sort((a, b) => a - b);
}

interface Kept {
  /** From then on no two neighbours are further apart than four intervals. */
  readonly days: number;
  /** The longest distance between neighbours for each half day of age, in intervals. */
  readonly longest: readonly number[];
}

/** What of a sensor's readings is left, seen from the end of the outage. */
function keptOf(sim: Simulation, sensor: SensorId, endMs: number, days: number): Kept {
  const times = timesOf(sim, sensor).filter((time) => time <= endMs && time > endMs - days * DAY_MS);
  const longest: number[] = [];
  for (let nth = times.length - 1; nth > 0; nth--) {
    const distance = Math.round((times[nth]! - times[nth - 1]!) / INTERVALS_MS[sensor]);
    if (distance > 4) return { days: (endMs - times[nth]!) / DAY_MS, longest };
    const age = Math.floor((2 * (endMs - times[nth]!)) / DAY_MS);
    longest[age] = Math.max(longest[age] ?? 0, distance);
  }
  return { days: (endMs - times[0]!) / DAY_MS, longest };
}

test("where it thins, a small outbox covers a long outage evenly, several times as much of it as where the oldest goes", {
  timeout: 240_000,
}, async () => {
  const days = 4;
  const covered: Record<string, number> = {};
  for (const whenFull of ["thin", "drop_oldest"] as const) {
    const sim = await afterOutage({ whenFull, tail: false, encoding: "json", days });
    expectComplete(sim, days);
    const endMs = sim.clock.wallMs() - 90 * MINUTE_MS;
    const kept = keptOf(sim, "air", endMs, days);
    covered[whenFull] = kept.days;
    expect(kept.days).toBeGreaterThan(whenFull === "thin" ? 3.9 : 0.6);
    expect(kept.longest[0]).toBe(1);
    // As docs/configuration.md has it: every second one up to a day and a half.
    expect(Math.max(...kept.longest.slice(0, 3))).toBe(whenFull === "thin" ? 2 : 1);
    for (const sensor of ["air", "soil", "tank"] as const) {
      const { longest } = keptOf(sim, sensor, endMs, days);
      // The older, the sparser; and no hole where one level meets the next.
      expect(longest.toSorted((a, b) => a - b)).toEqual(longest);
    }
    await sim.stop();
  }
  expect(covered["drop_oldest"]).toBeLessThan(1);
  expect(covered["thin"]! / covered["drop_oldest"]!).toBeGreaterThan(3);
});

test.each([
  { whenFull: "drop_newest", tail: false, encoding: "senml+cbor", days: 2 },
  { whenFull: "thin", tail: true, encoding: "cbor", days: 1 },
  { whenFull: "drop_oldest", tail: true, encoding: "senml+json", days: 1 },
] as const)(
  "$whenFull, $encoding, tail: $tail: every number is accounted for, and every event arrives",
  {
    timeout: 120_000,
  },
  async (wanted) => {
    const sim = await afterOutage(wanted);
    expectComplete(sim, wanted.days);
    await sim.stop();
  },
);
