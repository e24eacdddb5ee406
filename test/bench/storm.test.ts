import { describe, expect, test } from "vitest";
import { peak } from "../../bench/storm.ts";
import { type Fleet, startFixedInterval, startSessions } from "../../bench/storm-fleet.ts";
import { plotStorm } from "../../bench/storm-plot.ts";
import { startMosquitto } from "../broker/mosquitto.ts";

test("the peak is the fullest stretch of time, wherever it begins", () => {
  expect(peak([], 1_000)).toBe(0);
  // By the clock's seconds there would be two in each.
  expect(peak([100, 900, 1_100, 1_850], 1_000)).toBe(3);
  expect(peak([0, 1_000, 2_000], 1_000)).toBe(1);
});

describe("the plot of a storm", () => {
  const svg = plotStorm({
    title: "nodes & brokers",
    outageMs: 2_000,
    curves: [
      { name: "all at once", attempts: Array(40).fill(2_100), connects: Array(40).fill(2_200) },
      { name: "spread", attempts: [2_500, 3_500, 4_500], connects: [3_600, 4_600] },
    ],
  });

  test("has axes with units, a legend, and the peak of each fleet in words", () => {
    for (const words of [
      "time since the broker was lost (s)",
      "per second",
      "attempts to connect",
      "nodes &amp; brokers",
    ])
      expect(svg).toContain(words);
    expect(svg).toContain("all at once: at most 40 connections/s");
    expect(svg).toContain("spread: at most 1 connections/s");
  });

  test("shows all fleets on the same scale", () => {
    const scale = [...svg.matchAll(/text-anchor="end">(\d+)</g)].map(([, value]) => value);
    expect(scale).toEqual(["0", "10", "20", "30", "40", "0", "10", "20", "30", "40"]);
  });
});

test.each<[string, (port: number) => Fleet]>([
  ["the node's own sessions", (port) => startSessions(port, 5)],
  ["clients with a fixed interval", (port) => startFixedInterval(port, 5, 100)],
])(
  "a fleet of %s comes back after its broker, and each attempt is counted",
  async (_, start) => {
    const broker = await startMosquitto();
    const fleet = start(broker.port);
    try {
      await expect.poll(() => fleet.connected(), { timeout: 10_000 }).toBe(5);
      await broker.kill();
      await expect.poll(() => fleet.connected(), { timeout: 10_000 }).toBe(0);
      await broker.restart();
      await expect.poll(() => fleet.connected(), { timeout: 20_000 }).toBe(5);
      expect(fleet.connects.length).toBe(10);
      expect(fleet.attempts.length).toBeGreaterThanOrEqual(10);
    } finally {
      await fleet.end();
      await broker.stop();
    }
  },
  60_000,
);
