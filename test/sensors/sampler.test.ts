import { describe, expect, test } from "vitest";
import { deviceAt, oneAtATime } from "../../src/device/i2c.ts";
import { seededRandom } from "../../src/device/random.ts";
import { SimI2cBus } from "../../src/device/sim/i2c.ts";
import { type Measurements, type Sensor, SensorError } from "../../src/sensors/driver.ts";
import type { Fault } from "../../src/sensors/fault.ts";
import { createFakeChip, createRig, START_WALL_MS } from "./sampler-rig.ts";

const never = new Promise<never>(() => {});

/** Readings as pairs of seconds and temperature. */
function temperatures(told: ReturnType<typeof createRig>["told"], id = "air") {
  return told.flatMap((word) =>
    "reading" in word && word.id === id ? [[word.s, word.reading["temperature"]]] : [],
  );
}

describe("sampling", () => {
  test("begins at once and keeps its grid over a day, however long each read takes", async () => {
    const rig = createRig();
    const random = seededRandom(7);
    const durationsMs: number[] = [];
    const { sampler } = rig.sampler(async () => ({
      async read() {
        durationsMs.push(random() * 9_000);
        await rig.clock.sleep(durationsMs.at(-1)!);
        return { temperature: 20 };
      },
    }));
    await rig.clock.advance(24 * 3_600_000);
    const readings = temperatures(rig.told);
    expect(readings).toHaveLength(8_640);
    for (const [index, [s]] of readings.entries()) {
      expect(s).toBeCloseTo(10 * index + durationsMs[index]! / 1_000, 2);
    }
    expect(sampler.status()).toMatchObject({ state: "ok", samples: 8_640, skippedSlots: 0 });
  });

  test("skips what a slow chip cannot keep up with, and never reads twice at once", async () => {
    const rig = createRig();
    let reading = 0;
    let most = 0;
    const { sampler } = rig.sampler(
      async () => ({
        async read() {
          most = Math.max(most, ++reading);
          await rig.clock.sleep(2_500);
          reading--;
          return { temperature: 20 };
        },
      }),
      { intervalMs: 1_000 },
    );
    await rig.clock.advance(9_000);
    expect(temperatures(rig.told).map(([s]) => s)).toEqual([2.5, 5.5, 8.5]);
    expect(sampler.status().skippedSlots).toBe(6);
    expect(most).toBe(1);
  });

  test("stamps a reading with the moment its read ended, by both clocks", async () => {
    const rig = createRig();
    const startMs = rig.clock.monotonicMs();
    const moments: unknown[] = [];
    rig.sampler(
      async () => ({
        async read() {
          await rig.clock.sleep(750);
          return { temperature: 20 };
        },
      }),
      { events: { ...rig.events, reading: (_id, _measurements, at) => moments.push(at) } },
    );
    await rig.clock.advance(1_000);
    expect(moments).toEqual([{ wallMs: START_WALL_MS + 750, monotonicMs: startMs + 750 }]);
  });

  test("is late by its jitter, without drifting", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    rig.sampler(chip.open, { jitterMs: 2_000, random: seededRandom(3) });
    await rig.clock.advance(3_600_000);
    const readings = temperatures(rig.told);
    expect(readings).toHaveLength(360);
    const latenesses = readings.map(([s], index) => (s as number) - 10 * index);
    expect(Math.min(...latenesses)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...latenesses)).toBeLessThanOrEqual(2);
    expect(new Set(latenesses).size).toBeGreaterThan(300);
  });

  test("filters, then rounds to the field's precision", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = async () => ({ temperature: 21.44 });
    rig.sampler(chip.open, { filters: [{ field: "temperature", filters: [{ offset: 0.02 }] }] });
    await rig.clock.advance(0);
    expect(temperatures(rig.told)).toEqual([[0, 21.5]]);
  });

  test("tells nothing where filters leave nothing of a reading", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = async () => ({ temperature: 999 });
    const { sampler } = rig.sampler(chip.open, { filters: [{ filters: [{ skip_outside: [0, 50] }] }] });
    await rig.clock.advance(5_000);
    expect(rig.told).toEqual([]);
    expect(sampler.status()).toMatchObject({ state: "ok", samples: 1 });
  });

  test("is the same for the same seed, whoever samples beside it", async () => {
    const trace = async () => {
      const rig = createRig();
      const random = seededRandom(11);
      for (const id of ["a", "b", "c"]) {
        const open = async () => ({
          async read() {
            await rig.clock.sleep(random() * 300);
            if (random() < 0.2) throw new SensorError("crc", `${id}: wrong`);
            return { temperature: 20 + random() };
          },
        });
        rig.sampler(open, { id, intervalMs: 1_000, jitterMs: 500, random });
      }
      await rig.clock.advance(120_000);
      return rig.told;
    };
    const first = await trace();
    expect(first.length).toBeGreaterThan(200);
    expect(await trace()).toEqual(first);
  });
});

describe("report by exception", () => {
  test("keeps its heartbeat on the grid, whatever the jitter", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    const sampled: number[] = [];
    const events = { ...rig.events, sampled: () => sampled.push(rig.seconds()) };
    const report = { delta: { temperature: 1 }, heartbeat: 60_000 };
    rig.sampler(chip.open, { report, events, jitterMs: 5_000, random: seededRandom(5) });
    await rig.clock.advance(3_600_000 - 1);
    expect(temperatures(rig.told).map(([s]) => Math.floor((s as number) / 10) * 10)).toEqual(
      Array.from({ length: 60 }, (_, index) => 60 * index),
    );
    expect(sampled).toHaveLength(360);
  });

  test("carries what accumulates over to the next reading that is sent", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    const counts = [0, 1, 1, 0, 3, 0, 0];
    chip.read = async () => ({ count: counts.shift() ?? 0 });
    rig.sampler(chip.open, {
      fields: { count: { unit: "", precision: 0, accumulates: true } },
      report: { delta: { count: 3 }, heartbeat: 600_000 },
    });
    await rig.clock.advance(60_000);
    expect(rig.told).toEqual([
      { s: 0, id: "air", reading: { count: 0 } },
      { s: 40, id: "air", reading: { count: 5 } },
      { s: 50, id: "air", reading: { count: 0 } },
    ]);
  });
});

describe("a sensor that fails", () => {
  test("is closed, opened anew and read, after waits that double up to a limit", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = async () => {
      throw new SensorError("crc", "checksum wrong");
    };
    rig.sampler(chip.open, { backoff: { firstMs: 1_000, maxMs: 8_000 } });
    await rig.clock.advance(30_000);
    const attempt = (s: number) => [`${s} open`, `${s} read`, `${s} close`];
    expect(chip.log).toEqual([0, 1, 3, 7, 15, 23].flatMap(attempt));
  });

  test("waits five minutes at most by default", async () => {
    const rig = createRig();
    const opened: number[] = [];
    rig.sampler(async () => {
      opened.push(rig.seconds());
      throw new Error("absent");
    });
    await rig.clock.advance(3_600_000);
    const waits = opened.slice(1).map((s, index) => s - opened[index]!);
    expect(waits.slice(0, 9)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256]);
    expect(waits.slice(9).every((wait) => wait === 300)).toBe(true);
  });

  test("comes back at the first retry and goes on on its grid", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    const { sampler } = rig.sampler(chip.open);
    await rig.clock.advance(5_000);
    chip.read = async () => {
      throw new SensorError("crc", "checksum wrong");
    };
    await rig.clock.advance(5_500);
    expect(sampler.status()).toMatchObject({
      state: "failing",
      errors: { crc: 1 },
      lastError: "checksum wrong",
    });
    chip.read = async () => ({ temperature: 22 });
    await rig.clock.advance(10_000);
    expect(rig.told).toEqual([
      { s: 0, id: "air", reading: { temperature: 21 } },
      { s: 10, id: "air", failed: "checksum wrong", failures: 1 },
      { s: 11, id: "air", recovered: 1 },
      { s: 11, id: "air", reading: { temperature: 22 } },
      { s: 20, id: "air", reading: { temperature: 22 } },
    ]);
    expect(chip.log).toEqual(["0 open", "0 read", "10 read", "10 close", "11 open", "11 read", "20 read"]);
    expect(sampler.status()).toMatchObject({
      state: "ok",
      samples: 3,
      errors: { crc: 1 },
      retries: 1,
      reinitialisations: 1,
      missedEdges: undefined,
    });
  });

  test("counts each attempt after a failed one, and as set up anew only what could be", async () => {
    const rig = createRig();
    let works = true;
    const { sampler } = rig.sampler(async () => {
      if (!works) throw new Error("absent");
      return {
        async read() {
          if (!works) throw new Error("absent");
          return { temperature: 21 };
        },
      };
    });
    await rig.clock.advance(5_000);
    works = false;
    await rig.clock.advance(60_000);
    works = true;
    await rig.clock.advance(120_000);
    const { retries, errors, reinitialisations } = sampler.status();
    const failures = Object.values(errors).reduce((sum, each) => sum + each, 0);
    expect(failures).toBeGreaterThan(3);
    // The last one worked; each failure had one after it.
    expect(retries).toBe(failures);
    expect(reinitialisations).toBe(1);
  });

  test("counts the edges that its line is known to have lost", async () => {
    const rig = createRig();
    const { sampler } = rig.sampler(async () => ({ read: async () => ({ count: 5, missed: 3 }) }), {
      fields: {
        count: { unit: "", precision: 0 },
        missed: { unit: "", precision: 0, accumulates: true },
      },
    });
    await rig.clock.advance(25_000);
    expect(sampler.status()).toMatchObject({ samples: 3, missedEdges: 9 });
  });

  test("is news once, again when it says something else, and every hour", async () => {
    const rig = createRig();
    let error = "absent";
    let works = false;
    const { sampler } = rig.sampler(async () => {
      if (!works) throw new Error(error);
      return { read: async () => ({ temperature: 21 }) };
    });
    await rig.clock.advance(600_000);
    expect(rig.told).toEqual([{ s: 0, id: "air", failed: "absent", failures: 1 }]);
    error = "stuck";
    await rig.clock.advance(7_200_000);
    works = true;
    await rig.clock.advance(300_000);
    const failed = rig.told.filter((word) => "failed" in word);
    expect(failed.map(({ failed }) => failed)).toEqual(["absent", "stuck", "stuck"]);
    expect(failed[2]!.s - failed[1]!.s).toBeGreaterThanOrEqual(3_600);
    expect(rig.told.filter((word) => "recovered" in word)).toHaveLength(1);
    expect(sampler.status().state).toBe("ok");
  });

  test("is news again when it has worked in between", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    let reads = 0;
    chip.read = async () => {
      if (reads++ % 2 === 1) throw new Error("absent");
      return { temperature: 21 };
    };
    rig.sampler(chip.open);
    await rig.clock.advance(25_000);
    const words = rig.told.filter((word) => !("reading" in word));
    expect(words).toEqual([
      { s: 10, id: "air", failed: "absent", failures: 1 },
      { s: 11, id: "air", recovered: 1 },
      { s: 20, id: "air", failed: "absent", failures: 1 },
      { s: 21, id: "air", recovered: 1 },
    ]);
  });

  test("says since when, and how it failed", async () => {
    const rig = createRig();
    const startMs = rig.clock.monotonicMs();
    const faults: Fault[] = [];
    let error = new SensorError("wrong_chip", "chip id 0x00");
    rig.sampler(
      async () => {
        throw error;
      },
      { events: { ...rig.events, failed: (_id, fault) => faults.push(fault) } },
    );
    await rig.clock.advance(2_000);
    error = new SensorError("disconnected", "gone");
    await rig.clock.advance(2_000);
    const since = { wallMs: START_WALL_MS, monotonicMs: startMs };
    expect(faults).toEqual([
      { error: "chip id 0x00", kind: "wrong_chip", since, failures: 1 },
      { error: "gone", kind: "disconnected", since, failures: 3 },
    ]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("never makes %s a reading", async (value) => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = async () => ({ temperature: value });
    const { sampler } = rig.sampler(chip.open);
    await rig.clock.advance(500);
    expect(rig.told).toEqual([{ s: 0, id: "air", failed: `temperature is ${value}`, failures: 1 }]);
    expect(sampler.status().errors).toEqual({ out_of_range: 1 });
  });

  test("does not hide behind a filter that would make a number of it", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = async () => ({ temperature: Number.POSITIVE_INFINITY });
    rig.sampler(chip.open, { filters: [{ filters: [{ clamp: [0, 100] }] }] });
    await rig.clock.advance(500);
    expect(rig.told).toEqual([{ s: 0, id: "air", failed: "temperature is Infinity", failures: 1 }]);
  });

  test("never sends what a filter made infinite", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    rig.sampler(chip.open, { filters: [{ filters: [{ scale: 1e308 }] }] });
    await rig.clock.advance(500);
    expect(rig.told).toEqual([{ s: 0, id: "air", failed: "temperature is Infinity", failures: 1 }]);
  });

  test("starts its filters and its report anew", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    const values = [10, 20, undefined, 40, 40];
    chip.read = async () => {
      const temperature = values.shift();
      if (temperature === undefined) throw new Error("lost");
      return { temperature };
    };
    rig.sampler(chip.open, {
      filters: [{ filters: [{ moving_average: 10 }] }],
      report: { delta: {}, heartbeat: 3_600_000 },
    });
    await rig.clock.advance(35_000);
    expect(temperatures(rig.told)).toEqual([
      [0, 10],
      [21, 40],
    ]);
  });

  test("is retried although it cannot be closed", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.closeChip = () => Promise.reject(new Error("will not close"));
    chip.read = () => Promise.reject(new Error("will not read"));
    rig.sampler(chip.open);
    await rig.clock.advance(1_000);
    expect(chip.log.filter((line) => line.endsWith("open"))).toEqual(["0 open", "1 open"]);
  });

  test("is also one whose reading nobody could take", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    const reading = () => {
      throw new Error("disk full");
    };
    const { sampler } = rig.sampler(chip.open, { events: { ...rig.events, reading } });
    await rig.clock.advance(500);
    expect(sampler.status()).toMatchObject({ state: "failing", lastError: "disk full" });
  });
});

describe("a sensor that hangs", () => {
  test("fails at the deadline, gets no second read beside the first, and comes back when that one ends", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    let release: (measurements: Measurements) => void = () => {};
    chip.read = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const { sampler } = rig.sampler(chip.open, { deadlineMs: 3_000 });
    await rig.clock.advance(600_000);
    expect(chip.log).toEqual(["0 open", "0 read"]);
    expect(rig.told).toEqual([
      { s: 3, id: "air", failed: "air: reading took longer than 3000 ms", failures: 1 },
    ]);
    expect(sampler.status().errors["deadline"]).toBeGreaterThan(3);
    chip.read = async () => ({ temperature: 22 });
    release({ temperature: 999 });
    await rig.clock.advance(300_000);
    expect(chip.log.slice(2, 5).map((line) => line.split(" ")[1])).toEqual(["close", "open", "read"]);
    expect(temperatures(rig.told)[0]?.[1]).toBe(22);
  });

  test("while it is opened is closed when it opens after all", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.openChip = () => rig.clock.sleep(5_000);
    rig.sampler(chip.open, { deadlineMs: 2_000 });
    await rig.clock.advance(5_000);
    expect(chip.log).toEqual(["0 open", "5 close"]);
    chip.openChip = async () => {};
    await rig.clock.advance(10_000);
    expect(rig.told.at(-1)).toMatchObject({ reading: { temperature: 21 } });
  });

  test("does not keep the sampler from stopping", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = () => never;
    const { done } = rig.sampler(chip.open);
    await rig.clock.advance(500);
    rig.stop.abort();
    await rig.clock.run(done);
    expect(rig.seconds()).toBeLessThanOrEqual(1.5);
  });

  test("is not waited for again at the stop once its deadline is over", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = () => never;
    const { done } = rig.sampler(chip.open);
    await rig.clock.advance(11_500);
    rig.stop.abort();
    await rig.clock.run(done);
    expect(rig.seconds()).toBe(11.5);
  });
});

describe("sensors on buses", () => {
  function busRig() {
    const rig = createRig();
    const makeBus = (name: string) => {
      const bare = new SimI2cBus({ name, clock: rig.clock, random: seededRandom(1) });
      const bus = oneAtATime(bare, rig.clock, 2_000);
      const attach = (address: number) =>
        bare.attach(address, { write() {}, read: (length) => new Uint8Array(length).fill(address) });
      const open = (address: number) => async (): Promise<Sensor> => {
        const device = deviceAt(bus, address);
        await device.exchange([0], 1);
        return { read: async () => ({ temperature: (await device.exchange([1], 1))[0]! }) };
      };
      return { bare, attach, open };
    };
    return { ...rig, makeBus };
  }

  test("on one bus do not wait for a dead bus elsewhere", async () => {
    const rig = busRig();
    const [dead, sound] = [rig.makeBus("dead"), rig.makeBus("sound")];
    dead.bare.fail("all", { fault: "hang" });
    sound.attach(0x20);
    rig.sampler(dead.open(0x10), { id: "dead" });
    rig.sampler(sound.open(0x20), { id: "sound", intervalMs: 1_000 });
    await rig.clock.advance(60_000);
    const readings = temperatures(rig.told, "sound");
    expect(readings).toHaveLength(60);
    for (const [index, [s]] of readings.entries()) expect(s).toBeLessThan(index + 0.01);
    expect(temperatures(rig.told, "dead")).toEqual([]);
  });

  test("do not wait long for a dead chip on their own bus", async () => {
    const rig = busRig();
    const bus = rig.makeBus("i2c");
    bus.attach(0x20);
    bus.bare.fail(0x10, { fault: "timeout" });
    rig.sampler(bus.open(0x10), { id: "dead" });
    rig.sampler(bus.open(0x20), { id: "sound" });
    await rig.clock.advance(3_600_000 - 1);
    const readings = temperatures(rig.told, "sound");
    expect(readings).toHaveLength(360);
    for (const [index, [s]] of readings.entries()) expect(s).toBeLessThan(10 * index + 1.1);
    expect(bus.bare.overlaps).toBe(0);
  });

  test("that was stuck for a day all come back within the longest wait, each told once", async () => {
    const rig = busRig();
    const bus = rig.makeBus("i2c");
    const ids = Array.from({ length: 12 }, (_, index) => `s${index}`);
    const random = seededRandom(9);
    for (const [index, id] of ids.entries()) {
      bus.attach(0x10 + index);
      rig.sampler(bus.open(0x10 + index), { id, random });
    }
    await rig.clock.advance(5_000);
    bus.bare.fail("all", { fault: "stuck" });
    await rig.clock.advance(24 * 3_600_000);
    bus.bare.clear("all");
    await rig.clock.advance(301_000);
    for (const id of ids) {
      const words = rig.told.filter((word) => word.id === id);
      expect(words.filter((word) => "recovered" in word)).toHaveLength(1);
      expect(words.filter((word) => "failed" in word).length).toBeLessThanOrEqual(25);
      expect(words.at(-1)).toHaveProperty("reading");
    }
    expect(bus.bare.overlaps).toBe(0);
  });
});

describe("a sensor that speaks on its own", () => {
  /** A switch that tells a change when it is thrown. */
  function createSwitch(rig: ReturnType<typeof createRig>) {
    let closed = false;
    let tell: ((change: Measurements | undefined) => void) | undefined;
    let waiting: Measurements[] = [];
    const chip = createFakeChip(rig.seconds);
    chip.read = async () => ({ active: closed });
    chip.changes = async function* (signal) {
      signal.addEventListener("abort", () => tell?.(undefined));
      while (!signal.aborted) {
        const next =
          waiting.shift() ?? (await new Promise<Measurements | undefined>((resolve) => (tell = resolve)));
        tell = undefined;
        if (!next) return;
        yield next;
      }
    };
    const say = (change: Measurements | undefined) => {
      if (tell) tell(change);
      else if (change) waiting = [...waiting, change];
    };
    return {
      chip,
      throw(to: boolean) {
        closed = to;
        say({ active: to });
      },
      tear: () => say(undefined),
    };
  }
  const fields = { active: { unit: "", precision: 0 } };

  test("is heard at once, between the readings of its interval", async () => {
    const rig = createRig();
    const door = createSwitch(rig);
    rig.sampler(door.chip.open, { fields });
    await rig.clock.advance(3_000);
    door.throw(true);
    await rig.clock.advance(1_500);
    door.throw(false);
    await rig.clock.advance(6_000);
    expect(rig.told).toEqual([
      { s: 0, id: "air", reading: { active: false } },
      { s: 3, id: "air", reading: { active: true } },
      { s: 4.5, id: "air", reading: { active: false } },
      { s: 10, id: "air", reading: { active: false } },
    ]);
  });

  test("is heard at once although its readings are reported by exception", async () => {
    const rig = createRig();
    const door = createSwitch(rig);
    rig.sampler(door.chip.open, { fields, report: { delta: {}, heartbeat: 20_000 } });
    await rig.clock.advance(13_000);
    door.throw(true);
    await rig.clock.advance(30_000);
    expect(rig.told.map(({ s }) => s)).toEqual([0, 13, 40]);
  });

  test("fails when it falls silent, and is opened anew", async () => {
    const rig = createRig();
    const door = createSwitch(rig);
    rig.sampler(door.chip.open, { fields });
    await rig.clock.advance(3_000);
    door.tear();
    await rig.clock.advance(2_000);
    expect(rig.told.slice(1)).toEqual([
      { s: 3, id: "air", failed: "air: no more changes come", failures: 1 },
      { s: 4, id: "air", recovered: 1 },
      { s: 4, id: "air", reading: { active: false } },
    ]);
    expect(door.chip.log).toEqual(["0 open", "0 read", "3 close", "4 open", "4 read"]);
    door.throw(true);
    await rig.clock.advance(0);
    expect(rig.told.at(-1)).toEqual({ s: 5, id: "air", reading: { active: true } });
  });

  test("is not heard any more after the stop", async () => {
    const rig = createRig();
    const door = createSwitch(rig);
    const { done } = rig.sampler(door.chip.open, { fields });
    await rig.clock.advance(3_000);
    rig.stop.abort();
    await rig.clock.run(done);
    door.throw(true);
    await rig.clock.advance(60_000);
    expect(rig.told).toHaveLength(1);
  });
});

describe("a sample out of turn", () => {
  test("is taken at once and sent whatever the report settings say, and moves no slot", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    const { sampler } = rig.sampler(chip.open, { report: { delta: {}, heartbeat: 3_600_000 } });
    await rig.clock.advance(4_000);
    await rig.clock.run(sampler.sampleNow());
    await rig.clock.advance(7_000);
    expect(temperatures(rig.told).map(([s]) => s)).toEqual([0, 4]);
    expect(chip.log).toEqual(["0 open", "0 read", "4 read", "10 read"]);
  });

  test("takes the place of the slot that it runs over", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    const { sampler } = rig.sampler(chip.open);
    await rig.clock.advance(9_500);
    chip.read = async () => {
      await rig.clock.sleep(1_000);
      return { temperature: 21 };
    };
    await rig.clock.run(sampler.sampleNow());
    await rig.clock.advance(10_000);
    expect(chip.log).toEqual(["0 open", "0 read", "9.5 read", "20 read"]);
    expect(sampler.status().skippedSlots).toBe(0);
  });

  test("waits for the read under way and then serves everyone who asked meanwhile with one read", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = async () => {
      await rig.clock.sleep(2_000);
      return { temperature: 21 };
    };
    const { sampler } = rig.sampler(chip.open);
    await rig.clock.advance(500);
    await rig.clock.run(Promise.all([sampler.sampleNow(), sampler.sampleNow(), sampler.sampleNow()]));
    expect(chip.log).toEqual(["0 open", "0 read", "2 read"]);
    expect(rig.seconds()).toBe(4);
  });

  test("does not wait for a retry", async () => {
    const rig = createRig();
    let works = false;
    const { sampler } = rig.sampler(async () => {
      if (!works) throw new Error("absent");
      return { read: async () => ({ temperature: 21 }) };
    });
    await rig.clock.advance(1_000_000);
    works = true;
    await rig.clock.run(sampler.sampleNow());
    expect(rig.told.at(-1)).toMatchObject({ s: 1_000, reading: { temperature: 21 } });
  });

  test("rejects with what went wrong", async () => {
    const rig = createRig();
    const { sampler } = rig.sampler(() => Promise.reject(new Error("absent")));
    await rig.clock.advance(0);
    await expect(rig.clock.run(sampler.sampleNow())).rejects.toThrow("absent");
  });

  test("rejects after the stop", async () => {
    const rig = createRig();
    const { sampler, done } = rig.sampler(async () => ({ read: () => never }));
    await rig.clock.advance(0);
    const asked = sampler.sampleNow();
    rig.stop.abort();
    const outcome = expect(asked).rejects.toThrow("stopped");
    await rig.clock.run(done);
    await outcome;
    await expect(sampler.sampleNow()).rejects.toThrow("does not run");
  });
});

describe("the stop", () => {
  test("ends a wait at once and closes the sensor", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    const { done } = rig.sampler(chip.open);
    await rig.clock.advance(5_000);
    rig.stop.abort();
    await rig.clock.run(done);
    expect(rig.seconds()).toBe(5);
    expect(chip.log).toEqual(["0 open", "0 read", "5 close"]);
    expect(rig.clock.pending()).toBe(0);
  });

  test("closes a sensor only after the read under way, which tells nothing any more", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.read = async () => {
      await rig.clock.sleep(800);
      return { temperature: 21 };
    };
    const { done } = rig.sampler(chip.open);
    await rig.clock.advance(500);
    rig.stop.abort();
    await rig.clock.run(done);
    expect(chip.log).toEqual(["0 open", "0 read", "0.8 close"]);
    expect(rig.told).toEqual([]);
  });

  test("closes a sensor that was still being opened", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    chip.openChip = () => rig.clock.sleep(400);
    const { done } = rig.sampler(chip.open);
    await rig.clock.advance(100);
    rig.stop.abort();
    await rig.clock.run(done);
    expect(chip.log).toEqual(["0 open", "0.4 close"]);
  });

  test("before the start means that nothing is opened", async () => {
    const rig = createRig();
    const chip = createFakeChip(rig.seconds);
    rig.stop.abort();
    const { done, sampler } = rig.sampler(chip.open);
    await rig.clock.run(done);
    expect(chip.log).toEqual([]);
    expect(sampler.status().state).toBe("starting");
  });
});
