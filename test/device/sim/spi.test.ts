import { expect, test } from "vitest";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { SimSpi } from "../../../src/device/sim/spi.ts";

const PATH = "/dev/spidev0.0";

function rig() {
  const clock = new VirtualClock({ wallMs: 0 });
  const spi = new SimSpi({ clock });
  spi.attach(PATH, { modes: [1], transfer: (bytes) => bytes.map((byte) => byte + 1) });
  const transfer = (mode: 0 | 1, bytes: readonly number[], path = PATH) =>
    clock.run(spi.device({ devicePath: path, mode, speedHz: 8_000 }).transfer(bytes));
  return { clock, spi, transfer };
}

test("a transfer takes the time of its bits", async () => {
  const { clock, transfer } = rig();
  const startMs = clock.monotonicMs();
  expect([...(await transfer(1, [1, 2, 3]))]).toEqual([2, 3, 4]);
  expect(clock.monotonicMs() - startMs).toBe(3);
});

test("without a chip, and to one in another mode, the line is high", async () => {
  const { transfer } = rig();
  expect([...(await transfer(1, [1, 2], "/dev/spidev0.1"))]).toEqual([0xff, 0xff]);
  expect([...(await transfer(0, [1, 2]))]).toEqual([0xff, 0xff]);
});

test.each([
  ["all_ones", 0xff],
  ["all_zeros", 0x00],
] as const)("%s is what it says, until it is mended", async (fault, byte) => {
  const { spi, transfer } = rig();
  spi.fail(PATH, fault);
  expect([...(await transfer(1, [1, 2]))]).toEqual([byte, byte]);
  spi.fail(PATH, undefined);
  expect([...(await transfer(1, [1]))]).toEqual([2]);
});

test("a transfer that hangs ends when it is mended, and not before", async () => {
  const { clock, spi } = rig();
  spi.fail(PATH, "hang");
  const hanging = spi.device({ devicePath: PATH, mode: 1, speedHz: 8_000 }).transfer([1]);
  let ended = false;
  hanging.catch(() => {
    ended = true;
  });
  await clock.advance(3_600_000);
  expect(ended).toBe(false);
  spi.fail(PATH, undefined);
  await expect(hanging).rejects.toMatchObject({ name: "SpiError", fault: "timeout" });
});
