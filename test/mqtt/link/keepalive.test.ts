import { expect, test } from "vitest";
import type { Clock } from "../../../src/device/clock.ts";
import { keepAlive } from "../../../src/mqtt/link/keepalive.ts";

/** A clock on which each wait takes as long as the list says, and after the last one the link is closed. */
function stalling(takesMs: readonly number[]) {
  const closing = new AbortController();
  let nowMs = 0;
  let waits = 0;
  const clock = {
    monotonicMs: () => nowMs,
    async sleep() {
      const tookMs = takesMs[waits++];
      if (tookMs === undefined) closing.abort();
      else nowMs += tookMs;
    },
  } as unknown as Clock;
  return { clock, closed: closing.signal };
}

async function run(takesMs: readonly number[]) {
  const heard: string[] = [];
  await keepAlive({
    ...stalling(takesMs),
    keepaliveMs: 4_000,
    traffic: { sent: 0, received: 0 },
    ping: () => void heard.push("ping"),
    onQuarter() {},
    dead: ({ message }) => void heard.push(message),
  });
  return heard;
}

test("a silent broker is pinged after three quarters of the interval, and dead after five", async () => {
  expect(await run([1_000, 1_000])).toEqual([]);
  expect(await run([1_000, 1_000, 1_000])).toEqual(["ping"]);
  expect(await run([1_000, 1_000, 1_000, 1_000, 1_000])).toEqual([
    "ping",
    "ping",
    "the broker has been silent for 5 s",
  ]);
});

test("a process that stood still pings at once, and takes the time for no silence", async () => {
  expect(await run([60_000])).toEqual(["ping"]);
  expect(await run([1_000, 1_000, 1_000, 1_000, 60_000])).toEqual(["ping", "ping", "ping"]);
});

test("a process that stood still finds a dead broker out all the same, a little later", async () => {
  expect((await run([60_000, 1_000, 1_000, 1_000, 1_000, 1_000])).at(-1)).toContain("silent for 5 s");
});
