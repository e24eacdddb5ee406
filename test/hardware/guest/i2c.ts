import assert from "node:assert/strict";
import { test } from "node:test";
import { deviceAt } from "../../../src/device/i2c.ts";
import { linuxBoard } from "../../../src/device/linux/board.ts";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { bme280 } from "../../../src/sensors/bme280.ts";
import { bme280Registers } from "./bme280-registers.ts";
import {
  attachChip,
  bindKernelDriver,
  i2cBusNumber,
  loadModule,
  read,
  setParameter,
  unbindKernelDriver,
} from "./kernel.ts";

const BME280 = 0x76;
const EEPROM = 0x48;
const ABSENT = 0x20;

loadModule("i2c_loop");
loadModule("i2c-stub", `chip_addr=${EEPROM},${BME280}`);
const loopBus = i2cBusNumber("loop bus");
const stubBus = i2cBusNumber("SMBus stub");
const eeprom = attachChip(EEPROM);
const climate = attachChip(BME280);

const clock = linuxClock();
const board = linuxBoard({ clock });
const loop = board.i2c(`/dev/i2c-${loopBus}`);
const stub = board.i2c(`/dev/i2c-${stubBus}`);

/** Errors as an adapter reports them, and what they must be called. */
const ADAPTER_ERRORS = [
  ["ETIMEDOUT", 110, "timeout"],
  ["EREMOTEIO", 121, "absent"],
  ["ENODEV", 19, "absent"],
  ["EAGAIN", 11, "arbitration"],
  ["EIO", 5, "io"],
] as const;

test("what is written to a chip's registers is read back", async () => {
  await loop.transfer(EEPROM, Uint8Array.of(0x10, 1, 2, 3), 0);
  assert.deepEqual(await loop.transfer(EEPROM, Uint8Array.of(0x10), 3), Uint8Array.of(1, 2, 3));
  assert.deepEqual(await loop.transfer(EEPROM, Uint8Array.of(0x11), 1), Uint8Array.of(2));
});

test("a read without a register goes on where the last one ended", async () => {
  eeprom.poke(0x20, [10, 11, 12, 13]);
  await loop.transfer(EEPROM, Uint8Array.of(0x20), 2);
  assert.deepEqual(await loop.transfer(EEPROM, Uint8Array.of(), 2), Uint8Array.of(12, 13));
});

test("more than a block of the SMBus is read and written", async () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 7) & 0xff);
  await loop.transfer(EEPROM, Uint8Array.of(0x40, ...bytes), 0);
  assert.deepEqual(await loop.transfer(EEPROM, Uint8Array.of(0x40), 100), bytes);
});

test("an address that nobody acknowledges is absent, on either kind of adapter", async () => {
  for (const bus of [loop, stub]) {
    for (const [write, readLength] of [
      [[], 1],
      [[0], 1],
      [[0, 1], 0],
      [[0], 8],
    ] as const) {
      await assert.rejects(bus.transfer(ABSENT, Uint8Array.from(write), readLength), { fault: "absent" });
    }
  }
});

test("a probe finds who is there", async () => {
  await loop.transfer(EEPROM, Uint8Array.of(), 0);
  await assert.rejects(loop.transfer(ABSENT, Uint8Array.of(), 0), { fault: "absent" });
});

for (const [name, errno, fault] of ADAPTER_ERRORS) {
  test(`an adapter's ${name} is "${fault}", and the bus works again after it`, async () => {
    setParameter("i2c_loop", "fail", errno);
    try {
      await assert.rejects(loop.transfer(EEPROM, Uint8Array.of(0), 2), { name: "I2cError", fault });
      await assert.rejects(loop.transfer(EEPROM, Uint8Array.of(0, 1, 2, 3), 40), { name: "I2cError", fault });
    } finally {
      setParameter("i2c_loop", "fail", 0);
    }
    await loop.transfer(EEPROM, Uint8Array.of(0), 2);
  });
}

test("an address that a kernel driver holds is owned, until it lets go", async () => {
  bindKernelDriver(stubBus, "lm75", EEPROM);
  try {
    await assert.rejects(stub.transfer(EEPROM, Uint8Array.of(0), 2), { name: "I2cError", fault: "owned" });
  } finally {
    unbindKernelDriver(stubBus, EEPROM);
  }
  await stub.transfer(EEPROM, Uint8Array.of(0), 2);
});

test("a bus that does not exist is told from a chip that does not answer", async () => {
  await assert.rejects(board.i2c("/dev/i2c-99").transfer(EEPROM, Uint8Array.of(0), 1), { fault: "no_bus" });
});

test("an adapter that knows SMBus only does what of it exists and refuses the rest", async () => {
  await stub.transfer(EEPROM, Uint8Array.of(3, 0xa5), 0);
  assert.deepEqual(await stub.transfer(EEPROM, Uint8Array.of(3), 1), Uint8Array.of(0xa5));
  await stub.transfer(EEPROM, Uint8Array.of(0x10, 1, 2, 3, 4), 0);
  assert.deepEqual(await stub.transfer(EEPROM, Uint8Array.of(0x10), 4), Uint8Array.of(1, 2, 3, 4));
  await assert.rejects(stub.transfer(EEPROM, Uint8Array.of(), 2), { fault: "unsupported" });
  await assert.rejects(stub.transfer(EEPROM, Uint8Array.of(0, 1), 2), { fault: "unsupported" });
});

test("transfers asked for at once do not mix", async () => {
  for (let at = 0; at < 32; at++) eeprom.poke(at, [at]);
  const answers = await Promise.all(
    Array.from({ length: 32 }, (_, at) => loop.transfer(EEPROM, Uint8Array.of(at), 1)),
  );
  assert.deepEqual(
    answers.map(([byte]) => byte),
    Array.from({ length: 32 }, (_, at) => at),
  );
});

test("the BME280 driver reads what its registers hold, over I2C and over SMBus", async () => {
  for (const [at, bytes] of bme280Registers()) {
    climate.poke(at, bytes);
    for (const [nth, byte] of bytes.entries()) await stub.transfer(BME280, Uint8Array.of(at + nth, byte), 0);
  }
  for (const bus of [loop, stub]) {
    const sensor = await bme280.open(deviceAt(bus, BME280), { oversampling: 1, iir_filter: 0 }, clock);
    const { temperature, humidity, pressure } = await sensor.read();
    assert.equal(Number(temperature).toFixed(2), "25.08");
    assert.equal(Number(pressure).toFixed(2), "1006.53");
    assert.equal(Number(humidity).toFixed(1), "40.2");
  }
});

test("the BME280 driver and the kernel's own driver read the same", async () => {
  const sensor = await bme280.open(deviceAt(stub, BME280), { oversampling: 1, iir_filter: 0 }, clock);
  const ours = await sensor.read();
  bindKernelDriver(stubBus, "bme280", BME280);
  const iio = "/sys/bus/iio/devices/iio:device0";
  const kernel = {
    celsius: Number(read(`${iio}/in_temp_input`)) / 1_000,
    hectopascal: Number(read(`${iio}/in_pressure_input`)) * 10,
    percent: Number(read(`${iio}/in_humidityrelative_input`)) / 1_000,
  };
  unbindKernelDriver(stubBus, BME280);
  assert.ok(Math.abs(Number(ours.temperature) - kernel.celsius) < 0.01);
  assert.ok(Math.abs(Number(ours.pressure) - kernel.hectopascal) < 0.01);
  assert.ok(Math.abs(Number(ours.humidity) - kernel.percent) < 0.01);
});
