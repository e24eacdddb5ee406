import { describe, expect, test } from "vitest";
import { type Gpio, GpioError, type LineId } from "../../src/device/gpio.ts";
import { headerLayout, headerLine, withHeaderPins } from "../../src/device/header.ts";

describe("which header a board has", () => {
  test.each([
    ["Raspberry Pi Model B Rev 1", "0002", "26-rev1"],
    ["Raspberry Pi Model B Rev 1", "1000003", "26-rev1"],
    ["Raspberry Pi Model B Rev 2", "000e", "26"],
    ["Raspberry Pi Model A Rev 2", "0008", "26"],
    ["Raspberry Pi Model B Plus Rev 1.2", "0010", "40"],
    ["Raspberry Pi Zero W Rev 1.1", "9000c1", "40"],
    ["Raspberry Pi 4 Model B Rev 1.4", "c03114", "40"],
    ["Raspberry Pi 5 Model B Rev 1.0", "d04170", "40"],
    ["Raspberry Pi 5 Model B Rev 1.0", undefined, "40"],
    ["Radxa ROCK 4", "0002", undefined],
  ])("%s, revision %s: %s", (model, revision, layout) => {
    expect(headerLayout(model, revision)).toBe(layout);
  });
});

describe("a pin of the header", () => {
  test.each([
    ["40", 11, 17],
    ["40", 40, 21],
    ["40", 3, 2],
    ["26", 3, 2],
    ["26", 13, 27],
    ["26-rev1", 3, 0],
    ["26-rev1", 5, 1],
    ["26-rev1", 13, 21],
    ["26-rev1", 11, 17],
  ] as const)("of the %s-pin header, %i, is GPIO%i", (layout, header, number) => {
    expect(headerLine({ header }, layout)).toBe(number);
  });

  test("each GPIO line of the 40-pin header comes out once: GPIO0 to GPIO27", () => {
    const lines = Array.from({ length: 40 }, (_, nth) => {
      try {
        return [headerLine({ header: nth + 1 }, "40")];
      } catch {
        return [];
      }
    }).flat();
    expect(lines.sort((a, b) => a - b)).toEqual(Array.from({ length: 28 }, (_, number) => number));
  });

  test.each([
    ["40", 6, "power or ground"],
    ["26", 27, "has 26 pins"],
    ["26-rev1", 40, "has 26 pins"],
  ] as const)("of the %s-pin header, %i, is refused: %s", (layout, header, message) => {
    expect(() => headerLine({ header }, layout)).toThrow(message);
    expect(() => headerLine({ header }, layout)).toThrow(GpioError);
  });
});

describe("GPIO with header pins", () => {
  const asked: LineId[] = [];
  const lines: Gpio<LineId> = {
    input: ({ pin }) => Promise.reject(asked.push(pin)),
    output: ({ pin }) => Promise.reject(asked.push(pin)),
    outputs: (requests) => Promise.reject(asked.push(...requests.map(({ pin }) => pin))),
  };

  test("asks for the line behind each, and leaves other names as they are", async () => {
    const gpio = withHeaderPins(lines, () => "40", "Raspberry Pi 5");
    await gpio.input({ pin: { header: 11 } }).catch(() => {});
    await gpio.output({ pin: "GPIO4", initial: 0 }).catch(() => {});
    const pins = [{ header: 15 }, 23];
    await gpio.outputs(pins.map((pin) => ({ pin, initial: 0 as const }))).catch(() => {});
    expect(asked).toEqual([17, "GPIO4", 22, 23]);
  });

  test("is refused on a board whose header nobody knows, by the board's name", async () => {
    const gpio = withHeaderPins(lines, () => undefined, "Radxa ROCK 4");
    await expect(gpio.input({ pin: { header: 11 } })).rejects.toMatchObject({
      fault: "no_line",
      message: expect.stringContaining('this is "Radxa ROCK 4"'),
    });
  });
});
