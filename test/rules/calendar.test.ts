import { describe, expect, test } from "vitest";
import { createCalendar } from "../../src/rules/calendar.ts";
import type { HoursCondition, ScheduleCondition } from "../../src/rules/rule.ts";
import { sunElevation } from "../../src/rules/sun.ts";

const MINUTE_MS = 60_000;
const at = (time: string) => Date.parse(time);
const clock = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

function hours(from: string, until: string, days?: readonly number[]): HoursCondition {
  return { kind: "hours", from: clock(from), until: clock(until), ...(days && { days }) };
}

/** The stretches of a day (UTC) in which a condition holds, looked at minute by minute. */
function stretches(
  timeZone: string,
  condition: HoursCondition | ScheduleCondition,
  from: string,
  until: string,
): readonly string[] {
  const calendar = createCalendar({ timeZone });
  const found: string[] = [];
  let sinceMs: number | undefined;
  const hhmm = (ms: number) => new Date(ms).toISOString().slice(5, 16).replace("T", " ");
  for (let ms = at(from); ms <= at(until); ms += MINUTE_MS) {
    const { truth } = calendar.holds(condition, ms);
    if (truth) sinceMs ??= ms;
    else if (sinceMs !== undefined) {
      found.push(`${hhmm(sinceMs)} to ${hhmm(ms)}`);
      sinceMs = undefined;
    }
  }
  return found;
}

describe("hours of the day", () => {
  test.each<[string, HoursCondition, readonly string[]]>([
    ["within a day", hours("06:30", "08:00"), ["01-05 05:30 to 01-05 07:00", "01-06 05:30 to 01-06 07:00"]],
    ["over midnight", hours("22:00", "01:00"), ["01-04 23:00 to 01-05 00:00", "01-05 21:00 to 01-06 00:00"]],
    ["a whole day", hours("00:00", "00:00", [2]), ["01-05 23:00 to 01-06 23:00"]],
    ["over midnight on Monday only", hours("22:00", "01:00", [1]), ["01-05 21:00 to 01-06 00:00"]],
  ])("%s", (_name, condition, expected) => {
    // 5 January 2026 is a Monday; Berlin is an hour ahead.
    expect(stretches("Europe/Berlin", condition, "2026-01-04T23:00Z", "2026-01-06T23:00Z")).toEqual(expected);
  });
});

/**
 * Berlin 2026: 29 March 02:00 becomes 03:00 (01:00Z), 25 October 03:00 becomes 02:00 (01:00Z).
 * New York 2026: 8 March 02:00 becomes 03:00 (07:00Z), 1 November 02:00 becomes 01:00 (06:00Z).
 * Lord Howe 2026: half an hour only. 5 April 02:00 becomes 01:30 (15:00Z of the 4th), 4 October 02:00 becomes 02:30
 * (15:30Z of the 3rd).
 */
describe("hours when the clocks change: as the clock on the wall says", () => {
  test.each<[string, string, HoursCondition, string, string, readonly string[]]>([
    [
      "a time that is left out does not come",
      "Europe/Berlin",
      hours("02:15", "02:45"),
      "2026-03-29T00:00Z",
      "2026-03-29T06:00Z",
      [],
    ],
    [
      "what spans it is shorter",
      "Europe/Berlin",
      hours("01:30", "03:30"),
      "2026-03-29T00:00Z",
      "2026-03-29T06:00Z",
      ["03-29 00:30 to 03-29 01:30"],
    ],
    [
      "a time that comes twice counts twice",
      "Europe/Berlin",
      hours("02:15", "02:45"),
      "2026-10-24T23:00Z",
      "2026-10-25T06:00Z",
      ["10-25 00:15 to 10-25 00:45", "10-25 01:15 to 10-25 01:45"],
    ],
    [
      "what spans it is longer",
      "Europe/Berlin",
      hours("01:30", "03:30"),
      "2026-10-24T22:00Z",
      "2026-10-25T06:00Z",
      ["10-24 23:30 to 10-25 02:30"],
    ],
    [
      "in New York",
      "America/New_York",
      hours("01:30", "03:30"),
      "2026-03-08T05:00Z",
      "2026-03-08T12:00Z",
      ["03-08 06:30 to 03-08 07:30"],
    ],
    [
      "in New York in autumn",
      "America/New_York",
      hours("01:15", "01:45"),
      "2026-11-01T04:00Z",
      "2026-11-01T12:00Z",
      ["11-01 05:15 to 11-01 05:45", "11-01 06:15 to 11-01 06:45"],
    ],
    [
      "on Lord Howe Island, by half an hour",
      "Australia/Lord_Howe",
      hours("01:45", "02:45"),
      "2026-10-03T13:00Z",
      "2026-10-03T20:00Z",
      ["10-03 15:15 to 10-03 15:45"],
    ],
    [
      "on Lord Howe Island in autumn",
      "Australia/Lord_Howe",
      hours("01:40", "01:50"),
      "2026-04-04T13:00Z",
      "2026-04-04T20:00Z",
      ["04-04 14:40 to 04-04 14:50", "04-04 15:10 to 04-04 15:20"],
    ],
  ])("%s", (_name, zone, condition, from, until, expected) => {
    expect(stretches(zone, condition, from, until)).toEqual(expected);
  });
});

const schedule = (cron: string, minutes = 1): ScheduleCondition => ({
  kind: "schedule",
  cron,
  lastsMs: minutes * MINUTE_MS,
});

describe("a schedule", () => {
  test("lasts as long as it is told to, and goes on through a restart", () => {
    const calendar = createCalendar({ timeZone: "UTC" });
    const watering = schedule("0 6 * * *", 30);
    expect(calendar.holds(watering, at("2026-01-05T05:59:59.999Z"))).toEqual({
      truth: false,
      untilMs: at("2026-01-05T06:00Z"),
    });
    for (const minute of ["00", "29"])
      expect(createCalendar({ timeZone: "UTC" }).holds(watering, at(`2026-01-05T06:${minute}Z`))).toEqual({
        truth: true,
        untilMs: at("2026-01-05T06:30Z"),
      });
    expect(calendar.holds(watering, at("2026-01-05T06:30Z")).truth).toBe(false);
  });

  test("knows weekdays and lists", () => {
    expect(
      stretches("UTC", schedule("30 6,18 * * mon-fri", 10), "2026-01-04T00:00Z", "2026-01-05T23:00Z"),
    ).toEqual(["01-05 06:30 to 01-05 06:40", "01-05 18:30 to 01-05 18:40"]);
  });

  test("finds its place again after the clock has been stepped, either way", () => {
    const calendar = createCalendar({ timeZone: "UTC" });
    const daily = schedule("0 6 * * *", 30);
    expect(calendar.holds(daily, at("2026-01-05T06:10Z")).truth).toBe(true);
    expect(calendar.holds(daily, at("2026-01-05T05:50Z")).truth).toBe(false);
    expect(calendar.holds(daily, at("2026-03-05T06:10Z")).truth).toBe(true);
  });
});

describe("a schedule when the clocks change comes once a day", () => {
  test.each<[string, string, string, string, string, readonly string[]]>([
    [
      "as much later as the clocks went forward",
      "Europe/Berlin",
      "30 2 * * *",
      "2026-03-29T00:00Z",
      "2026-03-29T12:00Z",
      ["03-29 01:30 to 03-29 01:31"],
    ],
    [
      "in the first of two hours",
      "Europe/Berlin",
      "30 2 * * *",
      "2026-10-24T22:00Z",
      "2026-10-25T12:00Z",
      ["10-25 00:30 to 10-25 00:31"],
    ],
    [
      "later in New York",
      "America/New_York",
      "30 2 * * *",
      "2026-03-08T05:00Z",
      "2026-03-08T20:00Z",
      ["03-08 07:30 to 03-08 07:31"],
    ],
    [
      "in the first of two hours in New York",
      "America/New_York",
      "30 1 * * *",
      "2026-11-01T04:00Z",
      "2026-11-01T20:00Z",
      ["11-01 05:30 to 11-01 05:31"],
    ],
    [
      "half an hour later on Lord Howe Island",
      "Australia/Lord_Howe",
      "15 2 * * *",
      "2026-10-03T13:00Z",
      "2026-10-04T05:00Z",
      ["10-03 15:45 to 10-03 15:46"],
    ],
    [
      "once on Lord Howe Island",
      "Australia/Lord_Howe",
      "45 1 * * *",
      "2026-04-04T13:00Z",
      "2026-04-05T05:00Z",
      ["04-04 15:15 to 04-04 15:16"],
    ],
  ])("%s", (_name, zone, cron, from, until, expected) => {
    expect(stretches(zone, schedule(cron), from, until)).toEqual(expected);
  });
});

test("a schedule of every half hour leaves out the second pass of the hour that comes twice", () => {
  const found = stretches(
    "Europe/Berlin",
    schedule("*/30 * * * *"),
    "2026-10-24T23:50Z",
    "2026-10-25T02:40Z",
  );
  expect(found.map((stretch) => stretch.slice(6, 11))).toEqual(["00:00", "00:30", "02:00", "02:30"]);
});

describe("the sun", () => {
  /** Sunrise and sunset as almanacs print them (upper limb, so the centre is 16' lower). */
  test.each([
    ["Berlin at midsummer", 52.52, 13.405, "2026-06-21T02:43Z", "2026-06-21T19:33Z"],
    ["Sydney at midsummer", -33.87, 151.21, "2026-12-21T18:41Z", "2026-12-22T09:06Z"],
  ])("%s", (_name, latitude, longitude, rise, set) => {
    for (const time of [rise, set]) expect(sunElevation(at(time), latitude, longitude)).toBeCloseTo(-0.27, 0);
    expect(sunElevation(at(rise) + 3_600_000, latitude, longitude)).toBeGreaterThan(5);
    expect(sunElevation(at(set) + 3_600_000, latitude, longitude)).toBeLessThan(-5);
  });

  test("stands overhead between the tropics and lights the poles for half a year", () => {
    expect(sunElevation(at("2026-03-20T12:07Z"), 0, 0)).toBeGreaterThan(89);
    expect(sunElevation(at("2026-06-21T00:00Z"), 89, 0)).toBeGreaterThan(20);
    expect(sunElevation(at("2026-12-21T00:00Z"), 89, 0)).toBeLessThan(-20);
  });

  test("is a condition of its own", () => {
    const calendar = createCalendar({ timeZone: "UTC", latitude: 52.52, longitude: 13.405 });
    const holds = (up: boolean, elevation: number, time: string) =>
      calendar.holds({ kind: "sun", up, elevation }, at(time)).truth;
    expect(holds(true, 0, "2026-06-21T12:00Z")).toBe(true);
    expect(holds(false, 0, "2026-06-21T12:00Z")).toBe(false);
    expect(holds(false, -6, "2026-06-21T20:00Z")).toBe(false);
    expect(holds(false, -6, "2026-06-21T21:00Z")).toBe(true);
  });
});
