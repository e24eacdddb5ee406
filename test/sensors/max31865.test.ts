import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { settings } from "../../src/schema/settings.ts";
import { platinumCelsius } from "../../src/sensors/callendar-van-dusen.ts";
import { decode, max31865 } from "../../src/sensors/max31865.ts";
import { spiConversation } from "./conversation.ts";

const parse = (input: Record<string, unknown>) => v.parse(settings(max31865.options), input);

/** 400 Ω reference, 50 Hz: bias on. */
const PT100 = { zeroOhms: 100, referenceOhms: 400, configuration: 0x01 };
const registers = (code: number, status = 0, configuration = 0x81) => [
  configuration,
  code >> 8,
  code & 0xff,
  0xff,
  0xff,
  0,
  0,
  status,
];

describe("the Callendar-Van Dusen equation", () => {
  // IEC 60751 as quoted in 19-6478 rev 3, table 9; to the hundredth of an ohm, which is 0.026 °C.
  test.each([
    [-200, 18.52],
    [-175, 29.22],
    [-100, 60.26],
    [-50, 80.31],
    [-10, 96.09],
    [0, 100],
    [10, 103.9],
    [100, 138.51],
    [200, 175.86],
    [300, 212.05],
    [550, 297.49],
  ])("gives %f °C for %f Ω of a Pt100", (celsius, ohms) => {
    expect(Math.abs(platinumCelsius(ohms / 100) - celsius)).toBeLessThan(0.015);
  });

  test("is the inverse of resistance by temperature, below zero and above", () => {
    fc.assert(
      fc.property(fc.double({ min: -200, max: 850, noNaN: true }), (t) => {
        const ratio = 1 + 3.9083e-3 * t - 5.775e-7 * t * t + (t < 0 ? -4.183e-12 * (t - 100) * t ** 3 : 0);
        expect(Math.abs(platinumCelsius(ratio) - t)).toBeLessThan(1e-6);
      }),
    );
  });
});

describe("the registers", () => {
  // Table 9: RTD data registers of a Pt100 with 400 Ω.
  test.each([
    [0x0bda, -200],
    [0x196c, -150],
    [0x2690, -100],
    [0x3d7e, -10],
    [0x4000, 0],
    [0x4280, 10],
    [0x58a4, 100],
    [0x708c, 200],
    [0x81fe, 275],
    [0xbe64, 550],
  ])("%i are %f °C", (code, celsius) => {
    expect(Math.abs(decode(registers(code), PT100) - celsius)).toBeLessThan(0.1);
  });

  test.each([
    [1 << 5, "the element or a lead is open"],
    [1 << 4, "REFIN- too low"],
    [1 << 3, "RTDIN- too low"],
    [1 << 2, "over- or undervoltage"],
  ])("name the cable's fault %i", (status, words) => {
    expect(() => decode(registers(0x4001, status), PT100)).toThrow(
      expect.objectContaining({ fault: "disconnected", message: expect.stringContaining(words) }),
    );
  });

  test("at full scale are an open element, and near zero a short", () => {
    expect(() => decode(registers(0xfffe), PT100)).toThrow("open");
    expect(() => decode(registers(0x0010), PT100)).toThrow(
      expect.objectContaining({ fault: "out_of_range", message: expect.stringMatching(/0\.1 Ω.*a short/) }),
    );
  });

  test.each([
    [0xff, "disconnected"],
    [0x00, "disconnected"],
    [0xa1, "not_ready"],
    [0x42, "wrong_chip"],
  ])("whose configuration reads 0x%x are none of this chip's reading", (configuration, fault) => {
    expect(() => decode(registers(0x4000, 0, configuration), PT100)).toThrow(
      expect.objectContaining({ fault }),
    );
  });
});

describe("a measurement", () => {
  test.each([
    [{ wires: 2 }, 0x01, 76],
    [{ wires: 3 }, 0x11, 76],
    [{ wires: 4, mains: 60 }, 0x00, 65],
  ])("with %j switches the bias on, converts once and switches it off", async (options, base, leastMs) => {
    const clock = new VirtualClock({ wallMs: 0 });
    const chip = spiConversation([
      [
        [0x80, base | 0x82],
        [0, 0],
      ],
      [
        [0x80, base | 0xa0],
        [0, 0],
      ],
      [
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, base | 0x80, 0x3b, 0x8a, 0xff, 0xff, 0, 0, 0],
      ],
      [
        [0x80, base],
        [0, 0],
      ],
    ]);
    const sensor = await max31865.open(chip, parse(options), clock);
    const startMs = clock.monotonicMs();
    const { temperature } = await clock.run(sensor.read());
    // 0x3b8a of 430 Ω are 100.007 Ω.
    expect(temperature).toBeCloseTo(0.018, 3);
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(leastMs);
    expect(chip.done()).toBe(true);
  });

  test("takes the reference that the boards have, unless told otherwise", () => {
    expect(parse({})).toMatchObject({ element: "pt100", wires: 4, mains: 50 });
    expect(() => parse({ wires: 5 })).toThrow();
    expect(() => parse({ reference: 0 })).toThrow();
  });
});
