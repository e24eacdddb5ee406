import { describe, expect, test } from "vitest";
import { isOnFor } from "../../src/actuators/kind.ts";
import { loadConfig } from "../../src/config/load.ts";
import { drawDryRun } from "../../src/simulate/drawing.ts";
import { dryRun } from "../../src/simulate/dry-run.ts";
import { type IsOn, outagesOf, totalsOf } from "../../src/simulate/totals.ts";
import { textsOf } from "./xml.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 10, 23);
const GREENHOUSE = `
device: { id: g1 }
mqtt: { url: "mqtt://b" }
location: { time_zone: UTC }
sensors:
  - { id: air, driver: bme280, interval: 60s }
actuators:
  - { id: fan, driver: digital_output, pin: 22 }
  - { id: pump, driver: digital_output, pin: 23, max_on: 15m, offline_after: 30m }
rules:
  - { id: cool, when: { sensor: air, field: temperature, above: 24, below: 22 }, set: { fan: on }, otherwise: { fan: off } }
  - { id: water, when: { schedule: "30 6,18 * * *", lasts: 20m }, set: { pump: on }, otherwise: { pump: off } }
simulation:
  world: { temperature: { mean: 21, swing: 5 } }
  faults: [{ sensor: air, fault: no_ack, after: 20h, for: 30m }]
  outages: [{ after: 18h, for: 1h }]
`;

async function run(hours: number) {
  const loaded = await loadConfig(GREENHOUSE, {
    file: "fieldpost.yaml",
    env: {},
    machine: { serial: "1", hostname: "h", machineId: "m" },
    readFile: () => "",
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const found = await dryRun(loaded.config, { durationMs: hours * HOUR_MS, startWallMs: START_MS });
  const isOn: IsOn = (id, value) =>
    isOnFor(loaded.config.actuators.find((each) => each.id === id)!.kind, value);
  return { found, isOn, totals: totalsOf(found, ["fan", "pump"], isOn) };
}

const day = await run(24);
/** To the second: a rule wakes up a moment after it is due. */
const happened = day.found.happenings.map((each) => ({
  ...each,
  wallMs: Math.round(each.wallMs / 1_000) * 1_000,
}));
const at = (time: string) => Date.parse(`2026-11-23T${time}Z`);

describe("a dry run of a day", () => {
  test("tells what rules and guards would have done, and when", () => {
    const pump = happened.filter(({ subject }) => subject === "pump");
    expect(pump).toEqual([
      { wallMs: START_MS, kind: "actuator", subject: "pump", state: "off", cause: "boot" },
      {
        wallMs: at("06:30:00"),
        kind: "actuator",
        subject: "pump",
        state: "on",
        cause: "rule",
        rule: "water",
      },
      { wallMs: at("06:45:00"), kind: "actuator", subject: "pump", state: "off", cause: "timer" },
    ]);
  });

  test("knows the times without a broker, and what could not be done for want of it", () => {
    expect(outagesOf(day.found)).toEqual([[at("18:00:00"), at("19:00:00")]]);
    expect(happened).toContainEqual({
      wallMs: at("18:30:00"),
      kind: "rule",
      subject: "water",
      state: "has to wait: offline_after: no broker for too long: pump stays off",
    });
  });

  test("knows when a sensor was broken", () => {
    const air = day.found.happenings.filter(({ subject }) => subject === "air");
    expect(air.map(({ state }) => state)).toEqual(["failing: absent", "ok"]);
    expect(air[0]!.wallMs).toBeGreaterThanOrEqual(at("20:00:00"));
  });

  test("sums up", () => {
    expect(day.totals.map(({ actuator, switchedOn }) => [actuator, switchedOn])).toEqual([
      ["fan", 1],
      ["pump", 1],
    ]);
    expect(day.totals[1]!.onMs / 1_000).toBeCloseTo(900, 0);
    const fan = day.totals[0]!;
    // Between 24 °C going up and 22 °C coming down of 21 + 5 sin t: 131.6 degrees of a day.
    expect(fan.onMs / HOUR_MS).toBeCloseTo(8.77, 1);
    const temperature = day.found.traces.find(({ field }) => field === "temperature")!;
    expect(temperature.min).toBeCloseTo(16, 1);
    expect(temperature.max).toBeCloseTo(26, 1);
  });

  test("comes out the same each time", async () => {
    expect((await run(24)).found).toEqual(day.found);
  });

  test("is drawn: a well-formed picture with every sensor, actuator and outage, and units", () => {
    const svg = drawDryRun(day.found, day.totals, { title: "g1 <&>", timeZone: "UTC", isOn: day.isOn });
    const texts = textsOf(svg);
    for (const text of ["air.temperature", "°C", "fan", "pump", "12:00", "Mon 23 Nov", "no broker"])
      expect(texts).toContain(text);
    expect(svg.match(/class="on"/g)).toHaveLength(2);
    expect(svg.match(/<rect class="outage"[^>]*><title>/g)).toHaveLength(1);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});
