import { expect, test } from "vitest";
import { linuxSpiDevice, type SpiModule, type SpiTransfer } from "../../../src/device/linux/spi.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { withinDeadline } from "../../../src/device/spi.ts";
import { nodeError } from "./system-error.ts";

/** spi-device with a chip that echoes, as strict about being open as the real one. */
class FakeModule implements SpiModule {
  readonly opened: { bus: number; chip: number; mode: number }[] = [];
  readonly transfers: SpiTransfer[] = [];
  openHandles = 0;
  refuse: Error | undefined;
  fail: Error | undefined;
  hang = false;

  open(bus: number, chip: number, { mode }: { mode: number }, done: (error: Error | null) => void) {
    this.opened.push({ bus, chip, mode });
    this.openHandles++;
    queueMicrotask(() => done(this.refuse ?? null));
    return {
      transfer: (message: SpiTransfer[], done: (error: Error | null) => void) => {
        if (this.hang) return;
        this.transfers.push(...message);
        for (const { sendBuffer, receiveBuffer } of message) sendBuffer.copy(receiveBuffer);
        queueMicrotask(() => done(this.fail ?? null));
      },
      close: (done: (error: Error | null) => void) => {
        this.openHandles--;
        queueMicrotask(() => done(null));
      },
    };
  }
}

function device(module: FakeModule, devicePath = "/dev/spidev1.2", real = devicePath) {
  return linuxSpiDevice({
    devicePath,
    mode: 3,
    speedHz: 500_000,
    load: async () => module,
    resolvePath: async () => real,
  });
}

test("nothing is opened before the first transfer, and then once", async () => {
  const module = new FakeModule();
  const spi = device(module);
  expect(module.opened).toEqual([]);
  expect([...(await spi.transfer([1, 2, 3]))]).toEqual([1, 2, 3]);
  await spi.transfer([4]);
  expect(module.opened).toEqual([{ bus: 1, chip: 2, mode: 3 }]);
  expect(module.transfers).toMatchObject([
    { byteLength: 3, speedHz: 500_000 },
    { byteLength: 1, speedHz: 500_000 },
  ]);
});

test("a symbolic link is followed", async () => {
  const module = new FakeModule();
  await device(module, "/dev/adc", "/dev/spidev0.1").transfer([0]);
  expect(module.opened).toMatchObject([{ bus: 0, chip: 1 }]);
});

test("after a failure the device is closed and opened anew", async () => {
  const module = new FakeModule();
  const spi = device(module);
  module.fail = nodeError("EIO", "ioctl");
  await expect(spi.transfer([0])).rejects.toMatchObject({ name: "SpiError", fault: "io" });
  expect(module.openHandles).toBe(0);
  module.fail = undefined;
  await spi.transfer([0]);
  expect(module.opened).toHaveLength(2);
});

test.each([
  ["ENOENT", "no_bus", "dtparam=spi=on"],
  ["EACCES", "no_bus", "group spi"],
  ["EINVAL", "unsupported", "mode or speed"],
  ["ETIMEDOUT", "timeout", "did not finish"],
] as const)("%s is %s, and says how to mend it", async (code, fault, words) => {
  const module = new FakeModule();
  module.refuse = nodeError(code, "open");
  const failed = device(module).transfer([0]);
  await expect(failed).rejects.toMatchObject({ fault, message: expect.stringContaining(words) });
});

test("spi-device's own errors carry their code in the message only", async () => {
  const module = new FakeModule();
  module.refuse = new Error("EINVAL, unable to set mode");
  await expect(device(module).transfer([0])).rejects.toMatchObject({ fault: "unsupported" });
});

test("what is no SPI device is named", async () => {
  const failed = device(new FakeModule(), "/dev/null").transfer([0]);
  await expect(failed).rejects.toThrow("/dev/null is not an SPI device");
});

test("a closed device stays closed", async () => {
  const module = new FakeModule();
  const spi = device(module);
  await spi.transfer([0]);
  await spi.close();
  expect(module.openHandles).toBe(0);
  await expect(spi.transfer([0])).rejects.toMatchObject({ fault: "no_bus" });
});

test("a transfer that hangs fails at its deadline, and keeps others away until it ends", async () => {
  const clock = new VirtualClock({ wallMs: 0 });
  const module = new FakeModule();
  module.hang = true;
  const spi = withinDeadline(device(module), clock, 2_000);
  const startMs = clock.monotonicMs();
  await expect(clock.run(spi.transfer([0]))).rejects.toMatchObject({ name: "SpiError", fault: "timeout" });
  expect(clock.monotonicMs() - startMs).toBe(2_000);
  await expect(spi.transfer([0])).rejects.toThrow("the transfer before has not ended");
});
