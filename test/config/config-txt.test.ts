import { describe, expect, test } from "vitest";
import { firmwareLines } from "../../src/deploy/config-txt.ts";
import { readRight } from "./reading.ts";

async function linesFor(sensors: string, more = ""): Promise<readonly string[]> {
  const { config } = await readRight(`
device: { id: n1 }
mqtt: { url: mqtt://broker.example }
${more}
sensors:
${sensors}
`);
  return firmwareLines(config);
}

describe("what config.txt must say for a chip that the kernel's own driver serves", () => {
  test.each([
    ["its overlay, at its first address", "iio, name: bme280", "i2c-sensor,bme280"],
    [
      "its overlay, at the address that is configured",
      "iio, name: bme280, address: 0x77",
      "i2c-sensor,bme280,addr=0x77",
    ],
    ["no address for a chip that has only one", "iio, name: si7020, address: 0x40", "i2c-sensor,si7020"],
    ["the overlay's own name for it", "iio, name: hdc1000, address: 0x41", "i2c-sensor,hdc100x,addr=0x41"],
    ["the same for the other subsystem", "hwmon, name: lm75, address: 0x49", "i2c-sensor,lm75,addr=0x49"],
  ])("%s", async (_what, sensor, overlay) => {
    expect(await linesFor(`  - { id: a, driver: ${sensor} }`)).toEqual([
      "dtparam=i2c_arm=on",
      `dtoverlay=${overlay}`,
      "dtparam=watchdog=on",
    ]);
  });

  test("one line for each of several", async () => {
    const lines = await linesFor(`
  - { id: a, driver: hwmon, name: tmp102, address: 0x48 }
  - { id: b, driver: hwmon, name: tmp102, address: 0x49 }`);
    expect(lines.filter((line) => line.includes("tmp102"))).toEqual([
      "dtoverlay=i2c-sensor,tmp102,addr=0x48",
      "dtoverlay=i2c-sensor,tmp102,addr=0x49",
    ]);
  });

  test("a chip on a wire of its own needs no I2C", async () => {
    expect(await linesFor("  - { id: a, driver: iio, name: dht11 }")).toEqual([
      "dtoverlay=dht11,gpiopin=4",
      "dtparam=watchdog=on",
    ]);
  });

  test.each([
    ["whose overlay is not known", "  - { id: a, driver: hwmon, name: ina219 }", ""],
    [
      "on another bus, whose pins only its owner knows",
      "  - { id: a, driver: iio, name: bme280, bus: roof, address: 0x76 }",
      "buses: { i2c: { roof: { device: /dev/i2c-3 } } }",
    ],
  ])("nothing is guessed for a chip %s", async (_what, sensors, more) => {
    expect(await linesFor(sensors, more)).toEqual(["dtparam=watchdog=on"]);
  });
});
