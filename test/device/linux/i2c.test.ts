import { describe, expect, test } from "vitest";
import { linuxI2cBus } from "../../../src/device/linux/i2c.ts";
import { FakeI2cBus, openError } from "./fake-i2c-bus.ts";
import { nativeError, nodeError } from "./system-error.ts";

const CHIP = 0x76;

function busOn(fake: FakeI2cBus) {
  return linuxI2cBus({ devicePath: "/dev/i2c-1", load: async () => fake, resolvePath: async (path) => path });
}

function withChip(fake = new FakeI2cBus()): FakeI2cBus {
  fake.chips.set(CHIP, { answer: [0x60, 0x61, 0x62, 0x63] });
  return fake;
}

const none = new Uint8Array(0);

describe("a transfer through i2c-bus", () => {
  test.each([
    ["one byte, then a read: combined", [0xfa], 3, ["76 block fa 3"]],
    ["one byte, then more than a block", [0xfa], 33, ["76 w fa", "76 r 33"]],
    ["two bytes, then a read: a stop between", [0x24, 0x00], 3, ["76 w 24 00", "76 r 3"]],
    ["a read alone", [], 2, ["76 r 2"]],
    ["a write alone", [0xf4, 0x25], 0, ["76 w f4 25"]],
    ["nothing but the address", [], 0, ["76 quick 0"]],
  ])("%s", async (_name, write, readLength, wire) => {
    const fake = withChip();
    const answer = await busOn(fake).transfer(CHIP, Uint8Array.from(write), readLength);
    expect(fake.wire).toEqual(wire);
    expect(answer).toHaveLength(readLength);
    expect([...answer.subarray(0, 3)]).toEqual([0x60, 0x61, 0x62].slice(0, readLength));
  });

  test("does without the combined read where the adapter has none", async () => {
    const fake = withChip();
    fake.functions = { i2c: true };
    await busOn(fake).transfer(CHIP, Uint8Array.of(0xfa), 3);
    expect(fake.wire).toEqual(["76 w fa", "76 r 3"]);
  });

  test("never resolves with fewer bytes than were asked for", async () => {
    const fake = withChip();
    fake.shortBy = 1;
    const bus = busOn(fake);
    await expect(bus.transfer(CHIP, none, 3)).rejects.toMatchObject({ fault: "short_read" });
    await expect(bus.transfer(CHIP, Uint8Array.of(1), 3)).rejects.toMatchObject({ fault: "short_read" });
    await expect(bus.transfer(CHIP, Uint8Array.of(1, 2), 0)).rejects.toMatchObject({ fault: "io" });
  });
});

describe("an adapter that knows SMBus only", () => {
  test.each([
    [[], 1, "76 receive"],
    [[0xd0], 1, "76 block d0 1"],
    [[0xd0], 3, "76 block d0 3"],
    [[0x06], 0, "76 send 06"],
    [[0xf4, 0x25], 0, "76 write byte f4 25"],
    [[0x01, 0x34, 0x12], 0, "76 write word 01 1234"],
    [[0x01, 2, 3, 4], 0, "76 write block 01 02 03 04"],
    [[], 0, "76 quick 0"],
  ])("write %j, read %i", async (write, readLength, wire) => {
    const fake = withChip(FakeI2cBus.smbusOnly());
    await busOn(fake).transfer(CHIP, Uint8Array.from(write), readLength);
    expect(fake.wire).toEqual([wire]);
  });

  test("reads a byte or a word, low byte first, where it has no block read", async () => {
    const fake = withChip(FakeI2cBus.smbusOnly());
    fake.functions = { ...fake.functions, smbusReadI2cBlock: false };
    const bus = busOn(fake);
    expect([...(await bus.transfer(CHIP, Uint8Array.of(0xd0), 1))]).toEqual([0x60]);
    expect([...(await bus.transfer(CHIP, Uint8Array.of(0xd0), 2))]).toEqual([0x60, 0x61]);
    expect(fake.wire).toEqual(["76 byte d0", "76 word d0"]);
    await expect(bus.transfer(CHIP, Uint8Array.of(0xd0), 3)).rejects.toMatchObject({ fault: "unsupported" });
  });

  test.each([
    [[], 2],
    [[0x24, 0x00], 6],
    [[...new Uint8Array(34)], 0],
  ])("refuses what SMBus has no words for: write %j, read %i", async (write, readLength) => {
    const fake = withChip(FakeI2cBus.smbusOnly());
    const transfer = busOn(fake).transfer(CHIP, Uint8Array.from(write), readLength);
    await expect(transfer).rejects.toMatchObject({ fault: "unsupported" });
    expect(fake.wire).toEqual([]);
  });
});

describe("what went wrong", () => {
  test.each([
    ["EREMOTEIO without a name", nativeError(121, "transfer"), "absent"],
    ["ENXIO", nodeError("ENXIO", "read"), "absent"],
    ["ENODEV", nativeError(19, "readI2cBlock"), "absent"],
    ["ETIMEDOUT", nodeError("ETIMEDOUT", "read"), "timeout"],
    ["EBUSY", nativeError(16, "setAddr"), "owned"],
    ["EAGAIN", nodeError("EAGAIN", "write"), "arbitration"],
    ["EOPNOTSUPP", nodeError("EOPNOTSUPP", "read"), "unsupported"],
    ["EINTR", nodeError("EINTR", "read"), "io"],
    ["EIO", nodeError("EIO", "read"), "io"],
    ["no system error at all", new Error("odd"), "io"],
  ])("%s", async (_name, error, fault) => {
    const fake = withChip();
    fake.faults.push({ step: "transfer", address: CHIP, error });
    const failed = busOn(fake).transfer(CHIP, none, 1);
    await expect(failed).rejects.toMatchObject({ name: "I2cError", fault, cause: error });
    await expect(failed).rejects.toThrow("/dev/i2c-1 0x76");
  });

  test("an address that a kernel driver owns points to that driver", async () => {
    const fake = withChip();
    fake.faults.push({ step: "setAddr", address: CHIP, error: nativeError(16, "setAddr") });
    await expect(busOn(fake).transfer(CHIP, none, 1)).rejects.toThrow(
      "a kernel driver has the chip: use driver: iio or hwmon",
    );
  });

  test.each([
    [openError("ENOENT"), "dtparam=i2c_arm=on"],
    [openError("EACCES"), "group i2c"],
    [openError("ENODEV"), "ENODEV"],
  ])("a bus that cannot be opened is the bus's fault: %s", async (error, hint) => {
    const fake = withChip();
    fake.faults.push({ step: "open", address: 0, error });
    const failed = busOn(fake).transfer(CHIP, none, 1);
    await expect(failed).rejects.toMatchObject({ fault: "no_bus" });
    await expect(failed).rejects.toThrow(hint);
  });

  test("a bus that does not exist is found out before i2c-bus, which opens anything, is asked", async () => {
    const bus = linuxI2cBus({ devicePath: "/dev/i2c-987654", load: async () => new FakeI2cBus() });
    const failed = bus.transfer(CHIP, none, 1);
    await expect(failed).rejects.toMatchObject({ fault: "no_bus" });
    await expect(failed).rejects.toThrow("modprobe i2c-dev");
  });

  test("a path that is no bus is refused", async () => {
    const bus = linuxI2cBus({ devicePath: "/dev/null", load: async () => new FakeI2cBus() });
    await expect(bus.transfer(CHIP, none, 1)).rejects.toThrow("/dev/null is not an I2C bus");
  });

  test("a symbolic link leads to its bus", async () => {
    const fake = withChip();
    const bus = linuxI2cBus({
      devicePath: "/dev/i2c-sensors",
      load: async () => fake,
      resolvePath: async () => "/dev/i2c-7",
    });
    await expect(bus.transfer(CHIP, none, 1)).resolves.toHaveLength(1);
  });

  test("a module that does not load leaves the bus missing, with the cause kept", async () => {
    const cause = new Error("Cannot find module");
    const bus = linuxI2cBus({
      devicePath: "/dev/i2c-1",
      resolvePath: async (path) => path,
      load: () => Promise.reject(cause),
    });
    await expect(bus.transfer(CHIP, none, 1)).rejects.toMatchObject({ name: "I2cError", cause });
  });
});

describe("a bus on which something failed", () => {
  test("is opened anew, so that a file without an address is never used", async () => {
    const fake = withChip();
    fake.chips.set(0, { answer: [0xbd] });
    fake.faults.push({ step: "setAddr", address: CHIP, error: nativeError(16, "setAddr") });
    const bus = busOn(fake);
    await expect(bus.transfer(CHIP, none, 1)).rejects.toMatchObject({ fault: "owned" });
    expect([...(await bus.transfer(CHIP, none, 1))]).toEqual([0x60]);
    expect(fake.wire).toEqual(["76 r 1"]);
    expect(fake).toMatchObject({ opened: 2, closed: 1 });
  });

  test("counts how often it was opened anew", async () => {
    const fake = withChip();
    const bus = busOn(fake);
    expect(bus.reopened!()).toBe(0);
    for (const address of [CHIP, 0x10, CHIP, 0x10, CHIP])
      await bus.transfer(address, Uint8Array.of(1), 1).catch(() => {});
    expect(bus.reopened!()).toBe(2);
  });

  test("is kept open as long as all goes well", async () => {
    const fake = withChip();
    const bus = busOn(fake);
    for (let turn = 0; turn < 3; turn++) await bus.transfer(CHIP, none, 1);
    expect(fake).toMatchObject({ opened: 1, closed: 0 });
  });
});

describe("closing", () => {
  test("closes the files and refuses what comes after", async () => {
    const fake = withChip();
    const bus = busOn(fake);
    await bus.transfer(CHIP, none, 1);
    await bus.close();
    expect(fake.closed).toBe(1);
    await expect(bus.transfer(CHIP, none, 1)).rejects.toMatchObject({ fault: "no_bus" });
  });

  test("leaves a transfer that has not ended its files until it has", async () => {
    const fake = withChip();
    let release = () => {};
    fake.hold = new Promise((resolve) => {
      release = resolve;
    });
    const bus = busOn(fake);
    const transfer = bus.transfer(CHIP, none, 1);
    await new Promise(setImmediate);
    await bus.close();
    expect(fake.closed).toBe(0);
    release();
    await expect(transfer).resolves.toHaveLength(1);
    expect(fake.closed).toBe(1);
  });

  test("two transfers at once are a mistake of the program", async () => {
    const bus = busOn(withChip());
    const first = bus.transfer(CHIP, none, 1);
    await expect(bus.transfer(CHIP, none, 1)).rejects.toThrow("a second transfer");
    await expect(first).resolves.toHaveLength(1);
  });
});
