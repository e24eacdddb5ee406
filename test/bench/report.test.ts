import { expect, test } from "vitest";
import { comparisonOf, type Figure, isMet, median, type Part } from "../../bench/figure.ts";
import { misses, type Report, toJson, toText } from "../../bench/report.ts";

const part: Part = { name: "speed", title: "how fast", measure: async () => ({ figures: [] }) };
const drain: Figure = {
  name: "drain",
  unit: "records/s",
  runs: [900, 90, 950],
  beside: { name: "raw", runs: [1000, 100, 1000], as: "ratio" },
  target: { of: "comparison", bound: "at least", limit: 0.9 },
};
const reportOf = (...figures: Figure[]): Report => ({
  machine: { cpu: "abacus", cores: 2 },
  parts: [{ part, findings: { figures, notes: ["on a quiet machine"] } }],
});

test("the median of an even number of runs lies between the middle two", () => {
  expect(median([4, 1, 2, 10])).toBe(3);
  expect(median([7])).toBe(7);
});

test("a comparison pairs the runs that were made together, so that a slow minute counts on both sides", () => {
  expect(comparisonOf(drain)).toBe(0.9);
  expect(comparisonOf({ ...drain, beside: { ...drain.beside!, as: "difference" } })).toBe(-50);
});

test("a target may be reached exactly, and holds for the median", () => {
  expect(isMet(drain)).toBe(true);
  expect(isMet({ ...drain, runs: [899, 90, 890] })).toBe(false);
  const { target: _, ...withoutTarget } = drain;
  expect(isMet(withoutTarget)).toBeUndefined();
});

test("a missed target is named with what was measured and what was wanted", () => {
  const big: Figure = {
    name: "bundle",
    unit: "bytes",
    runs: [450_001],
    target: { of: "figure", bound: "at most", limit: 450_000 },
  };
  expect(misses(reportOf(drain, big))).toEqual(["speed: bundle: 450,001 bytes, target <= 450,000 bytes"]);
});

test("the table for people and the JSON for programs tell the same", () => {
  const text = toText(reportOf(drain));
  expect(text).toContain("cpu abacus, cores 2");
  expect(text).toMatch(/drain +900 +records\/s +90-950 +raw: 1,000 +x 0\.90 +>= x 0\.90 +ok/);
  expect(text).toContain("(on a quiet machine)");
  expect(JSON.parse(toJson(reportOf(drain))).parts[0]).toMatchObject({
    name: "speed",
    figures: [{ name: "drain", median: 900, ratio: 0.9, met: true }],
    notes: ["on a quiet machine"],
  });
});
