import { expect, test } from "vitest";
import { linuxSerialPort, type SerialBinding, type SerialModule } from "../../../src/device/linux/serial.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { nodeError } from "./system-error.ts";

/** serialport's bindings: a read waits until something comes, and cannot be called off. */
class FakeBinding implements SerialBinding {
  readonly written: number[] = [];
  isOpen = true;
  reads = 0;
  #buffered: number[] = [];
  #waiting:
    | { buffer: Buffer; resolve(result: { bytesRead: number }): void; reject(error: Error): void }
    | undefined;

  say(...bytes: number[]): void {
    this.#buffered.push(...bytes);
    this.#deliver();
  }

  unplug(): void {
    this.#waiting?.reject(nodeError("EBADF", "read"));
    this.#waiting = undefined;
  }

  read(buffer: Buffer): Promise<{ bytesRead: number }> {
    this.reads++;
    if (this.#waiting) throw new Error("two reads at once");
    return new Promise((resolve, reject) => {
      this.#waiting = { buffer, resolve, reject };
      this.#deliver();
    });
  }

  async write(buffer: Buffer): Promise<void> {
    this.written.push(...buffer);
  }

  async flush(): Promise<void> {
    this.#buffered = [];
  }

  async close(): Promise<void> {
    this.isOpen = false;
    this.#waiting?.reject(new Error("Canceled"));
  }

  #deliver(): void {
    if (!this.#waiting || this.#buffered.length === 0) return;
    const { buffer, resolve } = this.#waiting;
    this.#waiting = undefined;
    const bytesRead = Buffer.from(this.#buffered).copy(buffer);
    this.#buffered = [];
    resolve({ bytesRead });
  }
}

function rig() {
  const clock = new VirtualClock({ wallMs: 0 });
  const bindings: FakeBinding[] = [];
  const settings: unknown[] = [];
  const faults: { access?: Error; open?: Error } = {};
  const module: SerialModule = {
    async open(options) {
      if (faults.open) throw faults.open;
      settings.push(options);
      const binding = new FakeBinding();
      bindings.push(binding);
      return binding;
    },
  };
  const port = linuxSerialPort({
    devicePath: "/dev/ttyUSB0",
    baudRate: 9_600,
    clock,
    load: async () => module,
    checkAccess: async () => {
      if (faults.access) throw faults.access;
    },
  });
  return { clock, bindings, settings, faults, port };
}

test("a port is opened when it is first used, and once", async () => {
  const { port, bindings, settings } = rig();
  expect(bindings).toHaveLength(0);
  await port.write([1, 2]);
  await port.write([3]);
  expect(settings).toEqual([{ path: "/dev/ttyUSB0", baudRate: 9_600 }]);
  expect(bindings[0]!.written).toEqual([1, 2, 3]);
});

test("a read gets what comes, when it comes", async () => {
  const { clock, port, bindings } = rig();
  const reading = port.read(1_000);
  await clock.advance(300);
  bindings[0]!.say(7, 8);
  expect([...(await reading)]).toEqual([7, 8]);
});

test("a reader that gave up loses nothing: the next one gets what comes then", async () => {
  const { clock, port, bindings } = rig();
  await expect(clock.run(port.read(1_000))).rejects.toMatchObject({ name: "SerialError", fault: "timeout" });
  bindings[0]!.say(9);
  expect([...(await port.read(1_000))]).toEqual([9]);
  expect(bindings).toHaveLength(1);
  expect(bindings[0]!.reads).toBe(1);
});

test("what came after a reader gave up is forgotten with the rest", async () => {
  const { clock, port, bindings } = rig();
  await clock.run(port.read(1_000)).catch(() => {});
  bindings[0]!.say(1);
  await clock.advance(10);
  bindings[0]!.say(2);
  await port.discard();
  const reading = port.read(1_000);
  await clock.advance(10);
  bindings[0]!.say(3);
  expect([...(await reading)]).toEqual([3]);
});

test("a port that goes away is dropped, and opened anew when it is back", async () => {
  const { clock, port, bindings, faults } = rig();
  const reading = port.read(1_000);
  await clock.advance(1);
  bindings[0]!.unplug();
  await expect(reading).rejects.toMatchObject({ name: "SerialError", fault: "io" });
  expect(bindings[0]!.isOpen).toBe(false);
  faults.access = nodeError("ENOENT", "access");
  await expect(port.read(1_000)).rejects.toMatchObject({
    fault: "no_port",
    message: expect.stringContaining("no such port"),
  });
  delete faults.access;
  await port.write([1]);
  expect(bindings).toHaveLength(2);
});

test.each([
  [{ access: nodeError("ENOENT", "access") }, "no_port", "enable_uart=1"],
  [{ access: nodeError("EACCES", "access") }, "no_port", "group dialout"],
  [{ open: new Error("Error Resource temporarily unavailable Cannot lock port") }, "taken", "login console"],
  [{ open: new Error("something else") }, "io", "something else"],
] as const)("%j is %s", async (fault, kind, words) => {
  const { port, faults } = rig();
  Object.assign(faults, fault);
  const failed = port.write([1]);
  await expect(failed).rejects.toMatchObject({ name: "SerialError", fault: kind });
  await expect(failed).rejects.toThrow(words);
});

test("a closed port stays closed, and ends who waits on it", async () => {
  const { clock, port, bindings } = rig();
  const reading = port.read(1_000);
  await clock.advance(1);
  await port.close();
  await expect(reading).rejects.toMatchObject({ name: "SerialError" });
  expect(bindings[0]!.isOpen).toBe(false);
  await expect(port.write([1])).rejects.toMatchObject({ fault: "no_port" });
});
