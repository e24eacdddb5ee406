import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { settings } from "../../src/schema/settings.ts";
import { ads1115, type Channel, configWord, volts } from "../../src/sensors/ads1115.ts";
import { fieldsOf } from "../../src/sensors/driver.ts";
import { conversation, type Exchange } from "./conversation.ts";

const schema = settings(ads1115.options);
const parse = (input: Record<string, unknown>) => v.parse(schema, input);
const channel = (input: Record<string, unknown>): Channel => parse({ channels: [input] }).channels[0]!;

/** What `identify` says first. */
const OPENING: readonly Exchange[] = [
  [[1, 0x41, 0x03], []],
  [[1], [0xc1, 0x03]],
];

/** Single shot of a0, ±4.096 V, 128 samples per second. */
const START: Exchange = [[1, 0xc3, 0x83], []];
const RUNNING: Exchange = [[1], [0x43, 0x83]];
const DONE: Exchange = [[1], [0xc3, 0x83]];

async function open(...exchanges: readonly Exchange[]) {
  const clock = new VirtualClock({ wallMs: 0 });
  const chip = conversation(0x48, [...OPENING, ...exchanges]);
  const sensor = await clock.run(ads1115.open(chip, parse({}), clock));
  return { clock, chip, sensor };
}

describe("the config register", () => {
  test("for a0-a1 at ±2.048 V and 128 samples per second is the datasheet's reset value", () => {
    expect(configWord({ input: "a0-a1", range: 2.048 }, 128)).toBe(0x8583);
  });

  test("has every input, range and data rate in its place", () => {
    expect(configWord({ input: "a3", range: 0.256 }, 860)).toBe(0b1_111_101_1_111_00011);
    expect(configWord({ input: "a0-a3", range: 6.144 }, 8)).toBe(0b1_001_000_1_000_00011);
  });
});

describe("a code", () => {
  test.each([
    [0x0000, 0],
    [0x4000, 2.048],
    [-0x4000, -2.048],
    [-1, -0.000_125],
  ])("%i is %f V at ±4.096 V", (code, expected) => {
    expect(volts(code, channel({ name: "x", input: "a0" }))).toBeCloseTo(expected, 9);
  });

  test.each([0x7fff, -0x8000])("%i is beyond the range and names the input", (code) => {
    expect(() => volts(code, channel({ name: "soil", input: "a2", range: 1.024 }))).toThrow(
      expect.objectContaining({ fault: "out_of_range", message: expect.stringMatching(/soil.*a2.*1\.024/) }),
    );
  });

  test("keeps its sign over the wire", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -32_767, max: 32_766 }), async (code) => {
        const word = [(code >> 8) & 0xff, code & 0xff];
        const { clock, sensor } = await open(START, DONE, [[0], word]);
        await expect(clock.run(sensor.read())).resolves.toEqual({ voltage: (code * 4.096) / 32_768 });
      }),
      { numRuns: 50 },
    );
  });
});

describe("the driver", () => {
  test("starts a conversion, waits for its end and reads it", async () => {
    const { clock, chip, sensor } = await open(START, RUNNING, RUNNING, DONE, [[0], [0x10, 0x00]]);
    await expect(clock.run(sensor.read())).resolves.toEqual({ voltage: 0.512 });
    expect(chip.done()).toBe(true);
  });

  test("gives up on a conversion without end, in bounded time", async () => {
    const { clock, chip, sensor } = await open(START, ...Array<Exchange>(8).fill(RUNNING));
    const startMs = clock.monotonicMs();
    await expect(clock.run(sensor.read())).rejects.toMatchObject({ fault: "not_ready" });
    expect(clock.monotonicMs() - startMs).toBeLessThan(30);
    expect(chip.done()).toBe(true);
  });

  test("notices that the chip went back to its reset configuration", async () => {
    const { clock, sensor } = await open(START, [[1], [0x85, 0x83]]);
    await expect(clock.run(sensor.read())).rejects.toMatchObject({ fault: "power_on_value" });
  });

  test("refuses a chip that does not keep its config register", async () => {
    const clock = new VirtualClock({ wallMs: 0 });
    const thermometer = conversation(0x48, [
      [[1, 0x41, 0x03], []],
      [[1], [0x61, 0xb0]],
    ]);
    const opening = clock.run(ads1115.open(thermometer, parse({}), clock));
    await expect(opening).rejects.toMatchObject({ fault: "wrong_chip" });
  });
});

describe("the options", () => {
  test("make one voltage of input a0 by default", () => {
    expect(fieldsOf(ads1115, parse({}))).toEqual({
      voltage: { unit: "V", precision: 4, deviceClass: "voltage" },
    });
  });

  test("give each channel a field with the unit and the decimals of its scale", () => {
    const options = parse({
      channels: [
        { name: "soil", input: "a1", scale: 50, unit: "%" },
        { name: "shunt", input: "a2-a3", range: 0.256 },
      ],
    });
    expect(fieldsOf(ads1115, options)).toEqual({
      soil: { unit: "%", precision: 3 },
      shunt: { unit: "V", precision: 6, deviceClass: "voltage" },
    });
  });

  test.each([
    [
      "two channels of one name",
      {
        channels: [
          { name: "a", input: "a0" },
          { name: "a", input: "a1" },
        ],
      },
    ],
    ["no channel", { channels: [] }],
    ["an input that the chip has not", { channels: [{ name: "a", input: "a1-a0" }] }],
    ["a name that a reading uses itself", { channels: [{ name: "time", input: "a0" }] }],
    ["a range that the chip has not", { channels: [{ name: "a", input: "a0", range: 5 }] }],
    ["a scale of zero", { channels: [{ name: "a", input: "a0", scale: 0 }] }],
  ])("refuse %s", (_what, input) => {
    expect(v.safeParse(schema, input).success).toBe(false);
  });
});
