import assert from "node:assert/strict";
import { test } from "node:test";
import i2cBus from "i2c-bus";
import { scanBoard } from "../../../src/cli/scan.ts";
import { linuxBoard } from "../../../src/device/linux/board.ts";
import { charDevices } from "../../../src/device/linux/char-devices.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { linuxInventory } from "../../../src/device/linux/inventory.ts";
import { textFiles } from "../../../src/device/linux/text-files.ts";
import { hwmon } from "../../../src/sensors/hwmon.ts";
import { iio } from "../../../src/sensors/iio.ts";
import { bme280Registers } from "./bme280-registers.ts";
import {
  attachChip,
  bindKernelDriver,
  i2cBusNumber,
  loadModule,
  simulateChip,
  unbindKernelDriver,
} from "./kernel.ts";
import { addon } from "./native.ts";

const [LM75, JC42, BME280, SI7020, HDC1080] = [0x48, 0x18, 0x76, 0x40, 0x41] as const;

loadModule("i2c-stub", `chip_addr=${LM75},${JC42},${BME280},${SI7020}`);
loadModule("i2c_loop");
const stub = i2cBusNumber("SMBus stub");
const loop = i2cBusNumber("loop bus");
const devicePath = `/dev/i2c-${stub}`;

const clock = linuxClock();
const { chips } = linuxBoard({ clock });
// The stub is a memory: what stands in its registers is changed beside the driver that reads them.
const memory = i2cBus.openSync(stub, { forceAccess: true });
/** The stub keeps words with the low byte first; these chips send the high one first. */
const setWord = (address: number, register: number, word: number) =>
  memory.writeWordSync(address, register, ((word & 0xff) << 8) | (word >> 8));

const readChip = async (driver: typeof iio, name: string, address: number, path = devicePath) =>
  (await driver.open({ chips, at: { devicePath: path, address } }, { name }, clock)).read();

test("a kernel with no such chip says what there is, and how to get one", async () => {
  await assert.rejects(readChip(iio, "bme280", BME280), {
    fault: "absent",
    message: /found none.*dtoverlay/,
  });
});

test("an LM75 through hwmon is read above and below zero", async () => {
  setWord(LM75, 0, 0x1980);
  bindKernelDriver(stub, "lm75", LM75);
  assert.deepEqual(await readChip(hwmon, "lm75", LM75), { temperature: 25.5 });
  setWord(LM75, 0, 0xf580);
  assert.deepEqual(await readChip(hwmon, "lm75", LM75), { temperature: -10.5 });
});

test("it is found by its name as well, and is gone when its driver is", async () => {
  const sensor = await hwmon.open({ chips, at: undefined }, { name: "lm75" }, clock);
  assert.deepEqual(await sensor.read(), { temperature: -10.5 });
  unbindKernelDriver(stub, LM75);
  await assert.rejects(sensor.read(), { name: "KernelChipError", fault: "absent" });
  bindKernelDriver(stub, "lm75", LM75);
  assert.deepEqual(await readChip(hwmon, "lm75", LM75), { temperature: -10.5 });
});

test("a JC42 through hwmon is read", async () => {
  // Microchip MCP9805 by its two identity registers (JEDEC 21-C, registers 6 and 7); 21.5 °C in sixteenths.
  setWord(JC42, 6, 0x0054);
  setWord(JC42, 7, 0x0000);
  setWord(JC42, 5, 21.5 * 16);
  bindKernelDriver(stub, "jc42", JC42);
  assert.deepEqual(await readChip(hwmon, "jc42", JC42), { temperature: 21.5 });
});

test("a BME280 through IIO gives the datasheet's example in the node's units", async () => {
  for (const [register, values] of bme280Registers())
    for (const [nth, value] of values.entries()) memory.writeByteSync(BME280, register + nth, value);
  bindKernelDriver(stub, "bme280", BME280);
  const { temperature, humidity, pressure } = await readChip(iio, "bme280", BME280);
  assert.ok(Math.abs(Number(temperature) - 25.08) < 1e-9, String(temperature));
  assert.ok(Math.abs(Number(pressure) - 1_006.53) < 0.01, String(pressure));
  assert.ok(Number(humidity) > 0 && Number(humidity) < 100, String(humidity));
});

test("an address that a kernel driver has is refused to the node's own driver, which is told of driver: iio", async () => {
  const bus = linuxBoard({ clock }).i2c(devicePath);
  await assert.rejects(bus.transfer(BME280, Uint8Array.of(0xd0), 1), {
    fault: "owned",
    message: /driver: iio/,
  });
});

test("an Si7020 through IIO: raw, offset and scale", async () => {
  // Si7020-A20 data sheet, sections 5.1.1 and 5.1.2: 175.72 * code / 65536 - 46.85 and 125 * code / 65536 - 6.
  setWord(SI7020, 0xe3, 0x6630);
  setWord(SI7020, 0xe5, 0x7000);
  bindKernelDriver(stub, "si7020", SI7020);
  const { temperature, humidity } = await readChip(iio, "si7020", SI7020);
  assert.ok(Math.abs(Number(temperature) - ((175.72 * 0x6630) / 65_536 - 46.85)) < 0.02, String(temperature));
  assert.ok(Math.abs(Number(humidity) - ((125 * 0x7000) / 65_536 - 6)) < 0.1, String(humidity));
});

test("an HDC1080 through IIO, whose name is only its place, is found by the bus's name for it", async () => {
  // SNAS672, section 8.6: 165 * code / 65536 - 40. The loop chip answers any read from its register 1 on.
  attachChip(HDC1080).poke(0, [0x66, 0x66, 0x66, 0x66]);
  bindKernelDriver(loop, "hdc1080", HDC1080);
  const [chip] = (await chips.list("iio")).filter(({ names }) => names.includes("hdc1080"));
  assert.ok(chip);
  const { temperature } = await readChip(iio, "hdc1080", HDC1080, `/dev/i2c-${loop}`);
  assert.ok(Math.abs(Number(temperature) - ((165 * 0x6666) / 65_536 - 40)) < 0.5, String(temperature));
});

test("a scan finds the chips, says which the kernel has, and names who has a line", async () => {
  const header = simulateChip({ name: "header", label: "pinctrl-bcm2711", lineCount: 54, hog: 4 });
  assert.ok(header.base > 0);
  const { i2c, iio, hwmon } = await scanBoard(linuxBoard({ clock }));
  const { gpio } = await linuxInventory(textFiles(), "/dev", () => charDevices(addon, "/dev"));
  const onStub = i2c.find(({ device }) => device === devicePath)!.chips;
  assert.deepEqual(
    onStub.map(({ address, kernel_driver }) => [address, kernel_driver]),
    [
      ["0x18", true],
      ["0x40", true],
      ["0x48", true],
      ["0x76", true],
    ],
  );
  const chip = gpio.find(({ label }) => label === "pinctrl-bcm2711")!;
  assert.deepEqual(chip.used, [{ offset: 4, name: "GPIO4", consumer: "some-driver" }]);
  assert.ok(iio.some(({ names, channels }) => names.includes("bme280") && channels.includes("in_pressure")));
  assert.ok(hwmon.some(({ names, at }) => names.includes("lm75") && at === `${devicePath} 0x48`));
});
