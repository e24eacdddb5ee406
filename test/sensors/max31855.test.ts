import { describe, expect, test } from "vitest";
import { decode } from "../../src/sensors/max31855.ts";

/** A frame from the thermocouple's 14 bits, the fault bit, the junction's 12 bits and the three cable bits. */
function frame(tip: string, junction: string, fault = 0, cable = 0): Uint8Array {
  const bits = `${tip}0${fault}${junction}0${cable.toString(2).padStart(3, "0")}`.replaceAll(" ", "");
  const word = Number.parseInt(bits, 2);
  return Uint8Array.of(word >>> 24, (word >> 16) & 0xff, (word >> 8) & 0xff, word & 0xff);
}

describe("the thermocouple's temperature (19-5793 rev 5, table 4)", () => {
  test.each([
    ["0110 0100 0000 00", 1_600],
    ["0011 1110 1000 00", 1_000],
    ["0000 0110 0100 11", 100.75],
    ["0000 0001 1001 00", 25],
    ["0000 0000 0000 00", 0],
    ["1111 1111 1111 11", -0.25],
    ["1111 1111 1111 00", -1],
    ["1111 0000 0110 00", -250],
  ])("%s is %f °C", (bits, celsius) => {
    expect(decode(frame(bits, "0001 1001 0000"))).toEqual({
      temperature: celsius,
      cold_junction_temperature: 25,
    });
  });
});

describe("the junction's temperature (table 5)", () => {
  test.each([
    ["0111 1111 0000", 127],
    ["0110 0100 1001", 100.5625],
    ["0001 1001 0000", 25],
    ["0000 0000 0000", 0],
    ["1111 1111 1111", -0.0625],
    ["1111 1111 0000", -1],
    ["1110 1100 0000", -20],
    ["1100 1001 0000", -55],
  ])("%s is %f °C", (bits, celsius) => {
    expect(decode(frame("0000 0001 1001 00", bits)).cold_junction_temperature).toBe(celsius);
  });
});

describe("no reading", () => {
  test.each([
    [0b001, "open or not connected"],
    [0b010, "shorted to ground"],
    [0b100, "shorted to the supply"],
    [0b111, "open or not connected, shorted to ground, shorted to the supply"],
  ])("comes with the cable bits %i, which are named", (cable, words) => {
    const broken = frame("0000 0001 1001 00", "0001 1001 0000", 1, cable);
    expect(() => decode(broken)).toThrow(
      expect.objectContaining({ fault: "disconnected", message: `thermocouple ${words}` }),
    );
  });

  test.each([
    ["nothing but zeros", Uint8Array.of(0, 0, 0, 0)],
    ["nothing but ones", Uint8Array.of(255, 255, 255, 255)],
    ["a fault bit without a fault", frame("0000 0001 1001 00", "0001 1001 0000", 1)],
    ["a fault without the fault bit", frame("0000 0001 1001 00", "0001 1001 0000", 0, 1)],
    ["a reserved bit", Uint8Array.of(0x01, 0x92, 0x19, 0x00)],
  ])("is %s", (_what, bytes) => {
    expect(() => decode(bytes)).toThrow("no MAX31855 answers");
  });
});
