import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { bundle } from "./bundles.ts";
import type { DayReport } from "./guest/day.ts";
import { bootGuest } from "./guest.ts";

const HOURS = Number(process.env["DAY_HOURS"] ?? 24);
const LIMIT_MS = 900_000;

describe(`${HOURS} hours with a thermometer and a rain gauge, in seconds`, () => {
  let day: DayReport;
  beforeAll(async () => {
    const [file] = await bundle("day.ts");
    const guest = await bootGuest({
      script: `${process.execPath} ${file} /mnt/results/day.json ${HOURS}`,
      kernelArguments: ["time-travel=inf-cpu"],
      limitMs: LIMIT_MS,
    });
    try {
      expect(await guest.ended, guest.printed()).toBe(0);
      day = JSON.parse(await readFile(join(guest.folder, "day.json"), "utf8"));
    } finally {
      await guest.remove();
    }
  }, LIMIT_MS + 10_000);

  test("the wall clock went on as far", () => {
    expect(day.hoursOnTheWallClock).toBeGreaterThan(HOURS);
    expect(day.hoursOnTheWallClock).toBeLessThan(HOURS + 0.1);
  });

  test("the thermometer was read every minute, and rightly", () => {
    expect(day.readings).toBeGreaterThanOrEqual(HOURS * 60);
    expect(day.wrongReadings).toEqual([]);
    expect(day.faults).toEqual([]);
  });

  test("every pulse was counted", () => {
    expect(day.pulsesCounted).toBe(day.pulsesGiven);
    expect(day.missedEdges).toBe(0);
  });

  test("no record is missing", () => {
    expect(day.missing).toEqual([]);
    expect(day.exitCode).toBe(0);
  });

  test("memory stays flat", () => {
    const settled = day.residentKb.slice(Math.ceil(HOURS / 6));
    expect(Math.max(...settled)).toBeLessThan(1.1 * Math.min(...settled));
  });
});
