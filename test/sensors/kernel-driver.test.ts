import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KernelChip, Subsystem } from "../../src/device/kernel-chips.ts";
import { KernelChipError, quantityOf } from "../../src/device/kernel-chips.ts";
import type { Options } from "../../src/sensors/driver.ts";
import { hwmon } from "../../src/sensors/hwmon.ts";
import { iio } from "../../src/sensors/iio.ts";
import { readChannel } from "../../src/sensors/kernel-channel.ts";
import { choose, type kernelOptions } from "../../src/sensors/kernel-driver.ts";
import { knownChannels, knownChips } from "../../src/sensors/kernel-known.ts";

const AT = { devicePath: "/dev/i2c-1", address: 0x76 };

function chip(files: Readonly<Record<string, string>>, more: Partial<KernelChip> = {}): KernelChip {
  return {
    id: "iio:device0",
    names: ["bme280"],
    i2c: AT,
    attributes: Object.keys(files),
    read: async (attribute) => files[attribute]!,
    ...more,
  };
}

const value = (subsystem: Subsystem, channel: string, files: Readonly<Record<string, string>>) =>
  readChannel({ subsystem, chip: chip(files), sleep: async () => {} }, channel);

describe("a channel's value", () => {
  test.each<[string, Subsystem, string, Record<string, string>, number]>([
    ["°C of a processed temperature", "iio", "in_temp", { in_temp_input: "25080" }, 25.08],
    ["hPa of a pressure in kPa", "iio", "in_pressure", { in_pressure_input: "100.653253906" }, 1006.53253906],
    [
      "raw, offset and scale of an Si7020 below zero",
      "iio",
      "in_temp",
      { in_temp_raw: "3000", in_temp_offset: "-4368.000000", in_temp_scale: "10.725097656" },
      -14.6719335,
    ],
    ["raw alone", "iio", "in_proximity", { in_proximity_raw: "77" }, 77],
    [
      "a scale that all of a type share",
      "iio",
      "in_accel_z",
      { in_accel_z_raw: "-16384", in_accel_scale: "0.000598" },
      -9.797632,
    ],
    [
      "a channel's own scale before the shared one",
      "iio",
      "in_voltage0",
      { in_voltage0_raw: "100", in_voltage0_scale: "2", in_voltage_scale: "9" },
      0.2,
    ],
    [
      "a difference of two inputs",
      "iio",
      "in_voltage0-voltage1",
      { "in_voltage0-voltage1_raw": "-500", "in_voltage-voltage_scale": "0.5" },
      -0.25,
    ],
    [
      "°/s of a turn in rad/s",
      "iio",
      "in_anglvel_x",
      { in_anglvel_x_raw: "1", in_anglvel_scale: "1" },
      57.29577951,
    ],
    [
      "ppm of a concentration in percent",
      "iio",
      "in_concentration_co2",
      { in_concentration_co2_input: "0.0415" },
      415,
    ],
    [
      "a scale that all channels of the chip share",
      "iio",
      "in_illuminance",
      { in_illuminance_raw: "200", scale: "0.5" },
      100,
    ],
    ["a temperature of hwmon", "hwmon", "temp1", { temp1_input: "-10500" }, -10.5],
    ["volts of hwmon's millivolts", "hwmon", "in1", { in1_input: "12034" }, 12.034],
    ["watts of hwmon's microwatts", "hwmon", "power1", { power1_input: "1750000" }, 1.75],
    ["a fault file that says all is well", "hwmon", "temp1", { temp1_input: "1000", temp1_fault: "0" }, 1],
  ])("is %s", async (_name, subsystem, channel, files, expected) => {
    expect(await value(subsystem, channel, files)).toBeCloseTo(expected, 6);
  });

  test.each<[string, Subsystem, string, Record<string, string>, string]>([
    ["an empty file, which is not 0", "iio", "in_temp", { in_temp_input: "" }, "disconnected"],
    ["an empty raw value", "iio", "in_temp", { in_temp_raw: " ", in_temp_scale: "1" }, "disconnected"],
    ["an empty scale", "iio", "in_temp", { in_temp_raw: "1", in_temp_scale: "" }, "disconnected"],
    ["words", "hwmon", "temp1", { temp1_input: "N/A" }, "out_of_range"],
    ["no such channel", "iio", "in_pressure", { in_temp_input: "1" }, "wrong_chip"],
    [
      "a sensor that the driver calls broken",
      "hwmon",
      "temp2",
      { temp2_input: "1", temp2_fault: "1" },
      "disconnected",
    ],
  ])("is none but an error where the kernel gives %s", async (_name, subsystem, channel, files, fault) => {
    await expect(value(subsystem, channel, files)).rejects.toMatchObject({ name: "SensorError", fault });
  });

  test("is (raw + offset) * scale for whatever the driver says", async () => {
    const number = fc.integer({ min: -100_000, max: 100_000 });
    await fc.assert(
      fc.asyncProperty(number, number, number, async (raw, offset, scale) => {
        const files = { in_temp_raw: `${raw}`, in_temp_offset: `${offset}`, in_temp_scale: `${scale}` };
        expect(await value("iio", "in_temp", files)).toBeCloseTo(((raw + offset) * scale) / 1_000, 6);
      }),
    );
  });

  test("is waited for, within a bound, where the chip has none yet (EAGAIN after power-on)", async () => {
    let refusals = 2;
    const slow = chip(
      { temp1_input: "52000" },
      {
        read: async () => {
          if (refusals-- > 0) throw new KernelChipError("busy", "no value yet");
          return "52000";
        },
      },
    );
    const reader = { subsystem: "hwmon", chip: slow, sleep: async () => {} } as const;
    expect(await readChannel(reader, "temp1")).toBe(52);
    refusals = 99;
    await expect(readChannel(reader, "temp1")).rejects.toMatchObject({ fault: "busy" });
  });
});

describe("which chip is meant", () => {
  const air = chip({});
  const other = chip({}, { id: "iio:device1", names: ["0-0040", "si7020"], i2c: { ...AT, address: 0x40 } });
  const twin = chip({}, { id: "iio:device2", i2c: { ...AT, address: 0x77 } });

  test.each<[string, KernelChip[], string | undefined, typeof AT | undefined, string]>([
    ["its name", [other, air], "bme280", undefined, "iio:device0"],
    [
      "the bus's name for it where its own says only its place",
      [air, other],
      "si7020",
      undefined,
      "iio:device1",
    ],
    ["its address, among two of a kind", [air, twin], "bme280", { ...AT, address: 0x77 }, "iio:device2"],
    ["its address alone", [air, other], undefined, AT, "iio:device0"],
    ["being the only one", [air], undefined, undefined, "iio:device0"],
  ])("is known by %s", (_name, chips, name, at, id) => {
    expect(choose("iio", chips, name, at).id).toBe(id);
  });

  test.each<[string, KernelChip[], string | undefined, typeof AT | undefined, RegExp]>([
    [
      "none of its name, and what there is",
      [other],
      "bme280",
      undefined,
      /found iio:device1 0-0040 at .* 0x40.*dtoverlay/,
    ],
    [
      "two of its name that hang on no bus",
      [
        chip({}, { names: ["dht11@4", "dht11"], i2c: undefined }),
        chip({}, { names: ["dht11@11", "dht11"], i2c: undefined }),
      ],
      "dht11",
      undefined,
      /several dht11.*dht11@4.*dht11@11.*set name/,
    ],
    ["two of its name", [air, twin], "bme280", undefined, /several bme280.*0x76.*0x77.*set address/],
    ["nothing at all", [], "bme280", AT, /no iio device bme280 at \/dev\/i2c-1 0x76: found none/],
  ])("is an error where there is %s", (_name, chips, name, at, message) => {
    expect(() => choose("iio", chips, name, at)).toThrow(message);
  });
});

describe("the fields", () => {
  const fields = iio.fields as (options: Options<typeof kernelOptions>) => unknown;

  test("of a known chip need not be listed", () => {
    expect(fields({ name: "bme280" })).toEqual({
      temperature: { unit: "°C", precision: 2, deviceClass: "temperature" },
      humidity: { unit: "%", precision: 2, deviceClass: "humidity" },
      pressure: { unit: "hPa", precision: 2, deviceClass: "atmospheric_pressure" },
    });
  });

  test("that are listed are those and no others, with their own unit where it says so", () => {
    const listed = [
      { name: "soil", channel: "in_voltage3", scale: 40, offset: -10, unit: "%", precision: 1 },
      { name: "supply", channel: "in_voltage0", scale: 1, offset: 0 },
    ];
    expect(fields({ name: "bme280", fields: listed })).toEqual({
      soil: { unit: "%", precision: 1 },
      supply: { unit: "V", precision: 3, deviceClass: "voltage" },
    });
  });

  // Linux 6.12, the drivers' tables of channels: drivers/iio/temperature/{maxim_thermocouple,mlx90614,tmp007,tmp117}.c,
  // drivers/iio/light/{tsl2563,isl29018}.c, drivers/iio/{humidity/htu21,pressure/ms5637}.c.
  test.each<[string, Record<string, string>]>([
    ["maxim_thermocouple", { temperature: "in_temp" }],
    ["mlx90614", { temperature: "in_temp_object" }],
    ["tmp007", { temperature: "in_temp_object" }],
    ["tmp117", { temperature: "in_temp" }],
    ["tsl2563", { illuminance: "in_illuminance0" }],
    ["isl29018", { illuminance: "in_illuminance0" }],
    ["ms8607-temppressure", { temperature: "in_temp", pressure: "in_pressure" }],
    ["ms8607-humidity", { humidity: "in_humidityrelative" }],
    ["dht11@4", { temperature: "in_temp", humidity: "in_humidityrelative" }],
  ])("of %s are the channels that its driver makes", (name, channels) => {
    expect(knownChannels("iio", name)).toEqual(channels);
  });

  test("of a MAX31865 are not known: its driver's temperature is 256 °C too high", () => {
    expect(knownChannels("iio", "max31865")).toEqual({});
  });

  test("of volatile organics are precise to the thousandth of a ppm, which is what air has of them", () => {
    expect(fields({ name: "ccs811" })).toMatchObject({
      carbon_dioxide: { unit: "ppm", precision: 0 },
      volatile_organics: { unit: "ppm", precision: 3 },
    });
  });

  test.each(["iio", "hwmon"] as const)(
    "of every known chip of %s are quantities with a unit",
    (subsystem) => {
      expect(knownChips(subsystem).length).toBeGreaterThan(20);
      for (const name of knownChips(subsystem)) {
        const channels = Object.entries(knownChannels(subsystem, name));
        expect(channels.length).toBeGreaterThan(0);
        for (const [field, channel] of channels) {
          expect(field).toMatch(/^[a-z][a-z0-9_]*$/);
          expect(quantityOf(subsystem, channel), `${name} ${channel}`).toBeDefined();
        }
      }
    },
  );
});

test("a driver that lost its chip and has it again under another number is opened anew", async () => {
  let id = "hwmon1";
  const chips = { list: async () => [chip({ temp1_input: "20000" }, { id, names: ["lm75"] })] };
  const clock = { sleep: async () => {} } as never;
  const sensor = await hwmon.open({ chips, at: undefined }, { name: "lm75" }, clock);
  expect(await sensor.read()).toEqual({ temperature: 20 });
  id = "hwmon4";
  await expect(sensor.read()).rejects.toMatchObject({ fault: "absent", message: /hwmon4 now/ });
});
