import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { silentLog } from "../../src/log.ts";
import { openBootTimes, parseBootTimes } from "../../src/node/boot-times.ts";
import { decodeSample, encodeSample, type Sample } from "../../src/record/record.ts";
import { sampleTime } from "../../src/record/time.ts";
import { simulate } from "../../src/simulate/simulate.ts";

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 10, 23);

/** A file that a test can look into. */
function memoryFile(text?: string) {
  const file = { text, writes: 0, read: async () => file.text, replace: async (next: string) => put(next) };
  const put = (next: string) => {
    file.text = next;
    file.writes++;
  };
  return file;
}

/** A board whose true time only the test knows. */
class Board {
  readonly file = memoryFile();
  readonly #ended: AbortController[] = [];
  /** When this boot began, truly. */
  bootMs = START_MS;
  boots = 0;
  clock = this.#boot(0);
  times = openBootTimes(this.file, this.clock, silentLog);

  get trueMs(): number {
    return this.bootMs + this.clock.monotonicMs();
  }

  #boot(wallMs: number): VirtualClock {
    this.boots++;
    return new VirtualClock({
      wallMs,
      monotonicMs: 0,
      synced: false,
      bootId: (0xb0000000 + this.boots).toString(16),
    });
  }

  async start(): Promise<void> {
    const ended = new AbortController();
    this.#ended.push(ended);
    void (await this.times).run(ended.signal);
    await this.clock.advance(0);
  }

  /** The process starts again in the same boot. */
  async restart(): Promise<void> {
    this.#ended.at(-1)?.abort();
    this.times = openBootTimes(this.file, this.clock, silentLog);
    await this.start();
  }

  async reboot(wallMs: number): Promise<void> {
    this.#ended.at(-1)?.abort();
    this.bootMs = this.trueMs + 10_000;
    this.clock = this.#boot(wallMs);
    this.times = openBootTimes(this.file, this.clock, silentLog);
    await this.start();
  }

  sync(): void {
    this.clock.setWall(this.trueMs);
    this.clock.setSynced(true);
  }

  take(): Sample {
    const { clock } = this;
    return decodeSample(
      encodeSample({
        topic: "telemetry/air",
        wallMs: clock.wallMs(),
        monotonicMs: clock.monotonicMs(),
        bootId: clock.bootId,
        synced: clock.synced(),
        historical: false,
        fieldsJson: "",
      }),
    );
  }

  end(): void {
    for (const ended of this.#ended) ended.abort();
  }
}

describe("the time of a record", () => {
  test("taken in 1970 is repaired after the clock was set, and still after a reboot that never knows the time", async () => {
    const board = new Board();
    await board.start();
    await board.clock.advance(HOUR_MS);
    const sample = board.take();
    const trueMs = board.trueMs;
    expect(sampleTime(sample, board.clock, await board.times)).toEqual({
      wallMs: HOUR_MS,
      clock: "unsynced",
    });
    await board.clock.advance(2 * HOUR_MS);
    board.sync();
    await board.clock.advance(5_000);
    expect(sampleTime(sample, board.clock, await board.times)).toEqual({ wallMs: trueMs, clock: "repaired" });
    await board.reboot(0);
    await board.clock.advance(HOUR_MS);
    expect(sampleTime(sample, board.clock, await board.times)).toEqual({ wallMs: trueMs, clock: "repaired" });
    expect(sampleTime(board.take(), board.clock, await board.times)).toMatchObject({ clock: "unsynced" });
    board.end();
  });

  test("of a boot that ended without ever knowing stays unsynced, whatever a later boot learns", async () => {
    const board = new Board();
    await board.start();
    await board.clock.advance(HOUR_MS);
    const first = board.take();
    await board.reboot(60_000);
    await board.clock.advance(HOUR_MS);
    const second = board.take();
    await board.reboot(120_000);
    board.sync();
    await board.clock.advance(2_000);
    for (const sample of [first, second])
      expect(sampleTime(sample, board.clock, await board.times)).toEqual({
        wallMs: sample.wallMs,
        clock: "unsynced",
      });
    board.end();
  });

  test("follows the better word where the clock is stepped after it was set; what was taken by the worse keeps it", async () => {
    const board = new Board();
    await board.start();
    await board.clock.advance(HOUR_MS);
    const before = board.take();
    const trueMs = board.trueMs;
    board.clock.setWall(board.trueMs + 7 * HOUR_MS);
    board.clock.setSynced(true);
    await board.clock.advance(HOUR_MS);
    const between = board.take();
    board.clock.setWall(board.trueMs);
    await board.clock.advance(10_000);
    await board.reboot(0);
    expect(sampleTime(before, board.clock, await board.times)).toEqual({ wallMs: trueMs, clock: "repaired" });
    expect(sampleTime(between, board.clock, await board.times)).toEqual({ wallMs: trueMs + 8 * HOUR_MS });
    board.end();
  });

  test("costs one write a boot, and not one more for a clock that is slewed", async () => {
    const board = new Board();
    await board.start();
    board.sync();
    for (let hour = 0; hour < 24; hour++) {
      await board.clock.advance(HOUR_MS);
      board.clock.setWall(board.clock.wallMs() + 20);
    }
    expect(board.file.writes).toBe(1);
    board.end();
  });

  test("is what the boots say, however clocks step and boards restart and reboot", async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant("take" as const), ms: fc.integer({ min: 0, max: 15_000 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant("step" as const), ms: fc.integer({ min: -1e12, max: 2e12 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("sync" as const),
          ms: fc.integer({ min: 1_001, max: 15_000 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), ms: fc.nat(1_000) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("reboot" as const), ms: fc.nat(2e12) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const board = new Board();
        await board.start();
        const taken: { readonly sample: Sample; readonly trueMs: number }[] = [];
        const known = new Set<string>();
        for (const { do: what, ms } of steps) {
          if (what === "take") {
            await board.clock.advance(ms);
            taken.push({ sample: board.take(), trueMs: board.trueMs });
          } else if (what === "step") {
            // Before it is set a clock may say anything; after that it is stepped right.
            if (!board.clock.synced()) board.clock.setWall(Math.max(0, board.clock.wallMs() + ms));
          } else if (what === "sync") {
            board.sync();
            known.add(board.clock.bootId);
            await board.clock.advance(ms);
          } else if (what === "restart") await board.restart();
          else await board.reboot(ms);
          for (const { sample, trueMs } of taken) {
            const { wallMs, clock } = sampleTime(sample, board.clock, await board.times);
            if (sample.synced) expect({ wallMs, clock }).toEqual({ wallMs: trueMs, clock: undefined });
            else if (known.has(sample.bootId)) {
              expect(clock).toBe("repaired");
              expect(Math.abs(wallMs - trueMs)).toBeLessThanOrEqual(1);
            } else expect({ wallMs, clock }).toEqual({ wallMs: sample.wallMs, clock: "unsynced" });
          }
        }
        board.end();
      }),
      { numRuns: 150 },
    );
  });
});

describe("what is remembered of boots", () => {
  test.each([undefined, "", "{", "[]", "null", '{"b0000001":"x"}', '{"short":1}', "\0\0\0"])(
    "is nothing where the file says %j",
    (text) => {
      expect(parseBootTimes(text).size).toBe(0);
    },
  );

  test("is bounded, the oldest goes first", async () => {
    const offsets = Array.from({ length: 80 }, (_, nth) => [(0xa0000000 + nth).toString(16), nth] as const);
    const file = memoryFile(JSON.stringify(Object.fromEntries(offsets)));
    const clock = new VirtualClock({ wallMs: START_MS });
    const ended = new AbortController();
    void (await openBootTimes(file, clock, silentLog)).run(ended.signal);
    await clock.advance(1_000);
    const left = parseBootTimes(file.text);
    expect(left.size).toBe(64);
    expect(left.has(clock.bootId)).toBe(true);
    expect(left.has("a0000000")).toBe(false);
    ended.abort();
  });
});

test("a whole node in 1970, offline, its clock set hours later, its power cut before the broker comes: every record repaired", {
  timeout: 60_000,
}, async () => {
  const sim = await simulate({
    config: `
device: { id: n1 }
mqtt: { url: mqtt://sim, reconnect: { min: 1s, max: 2s } }
sensors: [{ id: air, driver: bme280, interval: 1m }]
`,
    start: "1970-01-01T00:00:10Z",
    clockSynced: false,
  });
  sim.broker.cut();
  const bootMs = START_MS - sim.clock.monotonicMs();
  await sim.advance("3h");
  sim.clock.setWall(bootMs + sim.clock.monotonicMs());
  sim.clock.setSynced(true);
  await sim.advance("10s");
  await sim.restart("power_cut");
  // The clock of the next boot has not been set.
  await sim.advance("5m");
  sim.broker.restore();
  await sim.advance("2m");
  const readings = sim.messages("telemetry/air").map(({ json }) => json);
  const repaired = readings.filter(({ clock }) => clock === "repaired");
  expect(repaired.length).toBeGreaterThanOrEqual(180);
  for (const [nth, { time }] of repaired.entries())
    expect(Math.abs(Date.parse(time) - START_MS - nth * 60_000)).toBeLessThan(61_000);
  expect(readings.map(({ seq }) => seq)).toEqual(readings.map(({ seq }) => seq).sort((a, b) => a - b));
  expect(sim.audit()).toMatchObject({ lost: 0 });
  await sim.stop();
});
