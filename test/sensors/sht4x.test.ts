import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { I2cError } from "../../src/device/i2c.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { crc8Sensirion } from "../../src/sensors/crc8.ts";
import { checkedWords, decode, sht4x } from "../../src/sensors/sht4x.ts";
import { conversation, type Exchange } from "./conversation.ts";

const word = (value: number) => {
  const bytes = [value >> 8, value & 0xff];
  return [...bytes, crc8Sensirion(bytes)];
};

const OPENING: readonly Exchange[] = [
  [[0x94], []],
  [[0x89], []],
  [[], [...word(0x0f5e), ...word(0xed01)]],
];
const BUSY = new I2cError("absent", "not acknowledged");
const HIGH = { repeatability: "high" } as const;

describe("the conversion", () => {
  test.each([
    [0x0000, -45],
    [0xffff, 130],
    [0x6666, 25],
  ])("of temperature word %i is %f °C", (raw, expected) => {
    expect(decode([raw, 0x8000])["temperature"]).toBeCloseTo(expected, 2);
  });

  test.each([
    [0x0000, 0],
    [0xffff, 100],
    [0x72b0, 50],
  ])("of humidity word %i is %f %%, cropped to what is physical", (raw, expected) => {
    expect(decode([0x6666, raw])["humidity"]).toBeCloseTo(expected, 2);
  });

  test("keeps the sign of every temperature", () => {
    fc.assert(
      fc.property(fc.double({ min: -45, max: 130, noNaN: true }), (celsius) => {
        const raw = Math.round(((celsius + 45) * 65_535) / 175);
        expect(decode([raw, 0])["temperature"] as number).toBeCloseTo(celsius, 2);
      }),
    );
  });
});

describe("the answer", () => {
  test("is refused for any flipped bit", () => {
    const uint16 = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(uint16, uint16, fc.integer({ min: 0, max: 47 }), (first, second, bit) => {
        const bytes = Uint8Array.from([...word(first), ...word(second)]);
        expect(checkedWords(bytes)).toEqual([first, second]);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => checkedWords(bytes)).toThrow(expect.objectContaining({ fault: "crc" }));
      }),
    );
  });
});

describe("the driver", () => {
  const open = async (...exchanges: readonly Exchange[]) => {
    const clock = new VirtualClock({ wallMs: 0 });
    const chip = conversation(0x44, [...OPENING, ...exchanges]);
    const sensor = await clock.run(sht4x.open(chip, HIGH, clock));
    return { clock, chip, sensor };
  };

  test("resets the chip, reads its serial number and measures", async () => {
    const { clock, chip, sensor } = await open([[0xfd], []], [[], [...word(0x6666), ...word(0x72b0)]]);
    const startMs = clock.monotonicMs();
    const measured = await clock.run(sensor.read());
    expect(measured["temperature"]).toBeCloseTo(25, 2);
    expect(measured["humidity"]).toBeCloseTo(50, 2);
    expect(clock.monotonicMs() - startMs).toBeCloseTo(8.3, 6);
    expect(chip.done()).toBe(true);
  });

  test.each([
    ["high", 0xfd, 8.3],
    ["medium", 0xf6, 4.5],
    ["low", 0xe0, 1.6],
  ] as const)(
    "measures with %s repeatability by its command and time",
    async (repeatability, command, ms) => {
      const clock = new VirtualClock({ wallMs: 0 });
      const chip = conversation(0x44, [...OPENING, [[command], []], [[], [...word(1), ...word(2)]]]);
      const sensor = await clock.run(sht4x.open(chip, { repeatability }, clock));
      const startMs = clock.monotonicMs();
      await clock.run(sensor.read());
      expect(clock.monotonicMs() - startMs).toBeCloseTo(ms, 6);
    },
  );

  test("asks again while the chip is busy", async () => {
    const { clock, chip, sensor } = await open([[0xfd], []], [[], BUSY], [[], [...word(0x6666), ...word(0)]]);
    await expect(clock.run(sensor.read())).resolves.toMatchObject({ humidity: 0 });
    expect(chip.done()).toBe(true);
  });

  test("gives up on a chip that stays busy", async () => {
    const { clock, chip, sensor } = await open([[0xfd], []], [[], BUSY], [[], BUSY], [[], BUSY]);
    await expect(clock.run(sensor.read())).rejects.toMatchObject({ fault: "not_ready", cause: BUSY });
    expect(chip.done()).toBe(true);
  });

  test("never checks a checksum on the bytes of the reading before", async () => {
    const short = new I2cError("short_read", "5 of 6 bytes");
    const { clock, sensor } = await open(
      [[0xfd], []],
      [[], [...word(0x6666), ...word(0x72b0)]],
      [[0xfd], []],
      [[], short],
    );
    await clock.run(sensor.read());
    await expect(clock.run(sensor.read())).rejects.toBe(short);
  });

  test("does not open on a serial number with a wrong checksum", async () => {
    const clock = new VirtualClock({ wallMs: 0 });
    const chip = conversation(0x44, [...OPENING.slice(0, 2), [[], [1, 2, 3, 4, 5, 6]]]);
    await expect(clock.run(sht4x.open(chip, HIGH, clock))).rejects.toMatchObject({ fault: "crc" });
  });
});
