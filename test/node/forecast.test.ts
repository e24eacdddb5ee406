import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { createForecaster, forecastJson, limitsOf, predict } from "../../src/node/forecast.ts";
import { memoryDisk } from "../../src/outbox/files/memory.ts";
import { type OutboxOptions, openOutbox } from "../../src/outbox/open.ts";
import type { OutboxStatus } from "../../src/outbox/outbox.ts";

const DAY_MS = 86_400_000;
const MIB = 1024 ** 2;
const OPTIONS: OutboxOptions = {
  path: "/outbox",
  maxSizeBytes: 256 * MIB,
  maxAgeMs: 365 * DAY_MS,
  whenFull: "drop_oldest",
  syncAfterMs: 1_000,
};
/** Of 256 MiB: whole segments of 1 MiB beside the small files, and one stays free. */
const ROOM_BYTES = 254 * MIB;
const NOTHING = { records: 0, payloadBytes: 0, bytes: 0 };

function setUp({ flash = true } = {}) {
  const clock = new VirtualClock({ wallMs: 0 });
  const state = {
    appended: 0,
    appendedBytes: 0,
    depth: 0,
    depthBytes: 0,
    diskBytes: 0,
    written: 5_000,
    stored: NOTHING,
  };
  const forecaster = createForecaster({
    clock,
    vitals: { rssBytes: () => 0, ...(flash && { writtenBytes: () => state.written }) },
    outbox: () => state as unknown as OutboxStatus,
    options: { ...OPTIONS, maxSizeBytes: 256 * MIB, maxAgeMs: 365 * DAY_MS },
  });
  const ended = new AbortController();
  void forecaster.run(ended.signal);
  /** A minute of a node that stores a record of 178 payload bytes (200 on disk) each ten seconds. */
  const minutes = async (count: number) => {
    for (let minute = 0; minute < count; minute++) {
      await clock.advance(60_000);
      state.appended += 6;
      state.appendedBytes += 6 * 178;
      state.written += 4_096;
    }
  };
  return { clock, state, forecaster, minutes };
}

describe("the forecast", () => {
  test("says nothing before enough has been measured", async () => {
    const { forecaster, minutes } = setUp();
    await minutes(9);
    expect(forecaster.forecast(undefined)).toEqual({});
    await minutes(2);
    expect(forecaster.forecast(undefined)).toHaveProperty("offlineMs");
    expect(forecaster.forecast(undefined)).not.toHaveProperty("flashBytesPerDay");
  });

  test("knows how long the room lasts, and what is written to flash", async () => {
    const { forecaster, minutes } = setUp();
    await minutes(120);
    const { offlineMs, limitedBy, recordsPerDay, flashBytesPerDay } = forecaster.forecast(undefined);
    expect(recordsPerDay).toBeCloseTo(8_640, -1);
    expect(offlineMs! / DAY_MS).toBeCloseTo(ROOM_BYTES / (8_640 * 200), 0);
    expect(limitedBy).toBe("max_size");
    expect(flashBytesPerDay).toBeCloseTo(1_440 * 4_096, -4);
  });

  test("follows today, not the days before", async () => {
    const { forecaster, minutes, clock } = setUp();
    await minutes(24 * 60);
    await clock.advance(2 * DAY_MS);
    expect(forecaster.forecast(undefined)).toMatchObject({ recordsPerDay: 0 });
    expect(forecaster.forecast(undefined)).not.toHaveProperty("offlineMs");
  });

  test("counts what waits already, and a disk that has less than the outbox may take", async () => {
    const { forecaster, state, minutes } = setUp();
    await minutes(60);
    const whole = forecaster.forecast(undefined).offlineMs!;
    Object.assign(state, { depth: 10_000, depthBytes: 178 * 10_000, diskBytes: 4 * MIB });
    expect(forecaster.forecast(undefined).offlineMs).toBeLessThan(whole);
    expect(forecaster.forecast(6 * MIB)).toMatchObject({ limitedBy: "disk" });
    expect(forecaster.forecast(0).offlineMs! / DAY_MS).toBeCloseTo((3 * MIB - 2_000_000) / (8_640 * 200), 1);
  });

  test("takes the room that records take on disk, where there are enough of them", async () => {
    const { forecaster, state, minutes } = setUp();
    await minutes(120);
    const alone = forecaster.forecast(undefined).offlineMs!;
    // Blocks of which 178 bytes of payload take 100.
    const compressed = { records: 5_000, payloadBytes: 5_000 * 178, bytes: 5_000 * 100 };
    Object.assign(state, { depth: 4_000, depthBytes: 4_000 * 178, stored: compressed });
    const { offlineMs } = forecaster.forecast(undefined);
    expect(offlineMs! / DAY_MS).toBeCloseTo((ROOM_BYTES - 4_000 * 100) / (8_640 * 100), 0);
    expect(offlineMs! / alone).toBeCloseTo(2, 1);
    Object.assign(state, { stored: { ...compressed, records: 900 } });
    expect(forecaster.forecast(undefined).offlineMs).toBeLessThan(alone);
  });

  test.each(["drop_oldest", "drop_newest", "thin"] as const)(
    "tells when an outbox with %s gives up its first reading",
    async (whenFull) => {
      const options = {
        ...OPTIONS,
        whenFull,
        maxSizeBytes: 2 * MIB,
        maxRecordBytes: 256,
        segmentBytes: 64 * 1024,
      };
      const clock = new VirtualClock({ wallMs: 0 });
      const outbox = await openOutbox(options, {
        files: memoryDisk().mount(),
        clock,
        random: () => 0.5,
        seriesOf: () => "air",
      });
      const store = async (records: number) => {
        for (let nth = 0; nth < records; nth++) outbox.append(Buffer.alloc(178));
        await outbox.sync();
      };
      await store(2_000);
      const { depth, depthBytes, stored } = outbox.status();
      const intake = { records: 1, payloadBytes: 178, elapsedMs: 1_000 };
      const { offlineMs } = predict(intake, { depth, depthBytes, stored, ...limitsOf(options) });
      let seconds = 0;
      for (; outbox.status().givenUp + outbox.status().dropped === 0; seconds += 20) await store(20);
      // A segment has room for some 320 records.
      expect(Math.abs(seconds - offlineMs! / 1_000)).toBeLessThan(60);
      // When old readings have long been giving way, there is room for what one segment takes, however small those became.
      if (whenFull === "drop_newest") return;
      for (let more = 0; more < 20_000; more += 50) await store(50);
      const full = outbox.status();
      const { offlineMs: left } = predict(intake, { ...full, ...limitsOf(options) });
      expect(left! / 1_000).toBeLessThan(340);
    },
  );

  test("leaves out what the kernel does not count", async () => {
    const { forecaster, minutes } = setUp({ flash: false });
    await minutes(120);
    expect(forecastJson(forecaster.forecast(undefined)).flash_bytes_per_day).toBeUndefined();
  });

  test("never promises more than max_age, nor less than nothing", () => {
    const amounts = fc.record({
      records: fc.integer({ min: 1, max: 1e7 }),
      payloadBytes: fc.integer({ min: 1, max: 1e9 }),
      elapsedMs: fc.integer({ min: 1, max: DAY_MS }),
    });
    const sizes = fc.record({ roomBytes: fc.nat(1e9), depth: fc.nat(1e6), depthBytes: fc.nat(1e9) });
    const stored = fc.record({ records: fc.nat(1e6), payloadBytes: fc.nat(1e9), bytes: fc.nat(1e9) });
    fc.assert(
      fc.property(amounts, sizes, stored, (intake, room, stored) => {
        const maxAgeMs = 30 * DAY_MS;
        const { offlineMs } = predict(intake, { ...room, stored, mostBytes: 1e9, maxAgeMs });
        expect(offlineMs).toBeGreaterThanOrEqual(0);
        expect(offlineMs).toBeLessThanOrEqual(maxAgeMs);
      }),
    );
  });
});
