import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../src/device/sim/clock.ts";

const clockAt = (monotonicMs = 0) => new VirtualClock({ wallMs: 1_000_000, monotonicMs });

describe("time on the virtual clock", () => {
  test("stands still until it is advanced", async () => {
    const clock = clockAt();
    let awake = false;
    clock.sleep(10).then(() => {
      awake = true;
    });
    await clock.advance(9);
    expect(awake).toBe(false);
    await clock.advance(1);
    expect(awake).toBe(true);
    expect(clock.monotonicMs()).toBe(10);
  });

  test("wakes sleepers by due time, and those due together in the order they fell asleep", async () => {
    const durations = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(durations, async (sleeps) => {
        const clock = clockAt();
        const woken: [number, number][] = [];
        for (const [index, ms] of sleeps.entries())
          clock.sleep(ms).then(() => {
            woken.push([clock.monotonicMs(), index]);
          });
        await clock.advance(20);
        const expected = sleeps
          .map((ms, index) => [ms, index])
          .sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!);
        expect(woken).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  test("lets an instant's consequences run out before the next instant", async () => {
    const clock = clockAt();
    const seen: string[] = [];
    const chain = async () => {
      await clock.sleep(10);
      for (let step = 0; step < 50; step++) await Promise.resolve();
      await new Promise(setImmediate);
      seen.push(`first at ${clock.monotonicMs()}`);
    };
    chain();
    clock.sleep(11).then(() => seen.push(`second at ${clock.monotonicMs()}`));
    await clock.advance(100);
    expect(seen).toEqual(["first at 10", "second at 11"]);
  });

  test("wakes within one advance those who fall asleep during it", async () => {
    const clock = clockAt();
    const ticks: number[] = [];
    const loop = async () => {
      for (;;) {
        await clock.sleep(250);
        ticks.push(clock.monotonicMs());
      }
    };
    loop();
    await clock.advance(1_000);
    expect(ticks).toEqual([250, 500, 750, 1_000]);
  });

  test("gives a program with real I/O its time through the settle hook", async () => {
    let settled = 0;
    const clock = new VirtualClock({
      wallMs: 0,
      settle: async () => {
        settled++;
      },
    });
    clock.sleep(1);
    clock.sleep(2);
    await clock.advance(5);
    expect(settled).toBe(3);
  });

  test("refuses to be advanced by two at once", async () => {
    const clock = clockAt();
    const first = clock.advance(10);
    await expect(clock.advance(10)).rejects.toThrow("already being advanced");
    await first;
  });

  test("notices a program that spins", async () => {
    const clock = clockAt();
    let spinning = true;
    const spin = async () => {
      while (spinning) await clock.sleep(0);
    };
    spin();
    await expect(clock.advance(1)).rejects.toThrow("spins");
    spinning = false;
  });
});

describe("a sleep", () => {
  test("ends early when it is aborted, and leaves nothing behind", async () => {
    const clock = clockAt();
    const stop = new AbortController();
    const sleep = clock.sleep(1_000, stop.signal);
    expect(clock.pending()).toBe(1);
    stop.abort();
    await sleep;
    expect(clock.pending()).toBe(0);
    await clock.sleep(1_000, stop.signal);
    expect(clock.monotonicMs()).toBe(0);
  });

  test("that has ended is not disturbed by a later abort", async () => {
    const clock = clockAt();
    const stop = new AbortController();
    clock.sleep(1, stop.signal);
    const other = clock.sleep(5);
    await clock.advance(1);
    stop.abort();
    expect(clock.pending()).toBe(1);
    await clock.advance(4);
    await other;
  });
});

describe("work run on the clock", () => {
  test("takes just the time it needs", async () => {
    const clock = clockAt();
    await clock.run(clock.sleep(30));
    expect(clock.monotonicMs()).toBe(30);
    await expect(clock.run(Promise.reject(new Error("broken")))).rejects.toThrow("broken");
  });

  test("is given up at its limit or when nothing will wake it", async () => {
    const clock = clockAt();
    await expect(clock.run(clock.sleep(1_000), 500)).rejects.toThrow("longer than 500 ms");
    await expect(clock.run(new Promise(() => {}))).rejects.toThrow("took longer");
  });
});

describe("the wall clock", () => {
  test("goes on with monotonic time and steps without it", async () => {
    const clock = clockAt(5_000);
    await clock.advance(100);
    expect(clock.wallMs()).toBe(1_000_100);
    clock.setWall(42);
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([42, 5_100]);
    await clock.advance(8);
    expect(clock.wallMs()).toBe(50);
  });

  test("is synced when it is told so", () => {
    const clock = new VirtualClock({ wallMs: 0, synced: false });
    expect(clock.synced()).toBe(false);
    clock.setSynced(true);
    expect(clock.synced()).toBe(true);
  });
});
