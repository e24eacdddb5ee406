import { expect, test } from "vitest";
import { seededRandom } from "../../../src/device/random.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { SimSerial, type SimSerialChip } from "../../../src/device/sim/serial.ts";

const PATH = "/dev/ttyUSB0";
const TEN = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);

/** Says ten bytes at every full second. */
const ticker: SimSerialChip = {
  hear() {},
  next: (afterMs) => ({ atMs: (Math.floor(afterMs / 1_000) + 1) * 1_000, bytes: () => TEN.slice() }),
};

function rig(chip = ticker) {
  const clock = new VirtualClock({ wallMs: 0 });
  const serial = new SimSerial({ clock, random: seededRandom(3) });
  serial.attach(PATH, chip);
  const port = serial.port({ devicePath: PATH, baudRate: 9_600 });
  return { clock, serial, port, read: (withinMs: number) => clock.run(port.read(withinMs)) };
}

test("what a chip says comes when it says it, in pieces", async () => {
  const { clock, read } = rig();
  await clock.advance(400);
  const startMs = clock.monotonicMs();
  expect([...(await read(5_000))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(clock.monotonicMs() - startMs).toBe(600);
  expect([...(await read(5_000))]).toEqual([9, 10]);
});

test("what came while nobody read waits, until it is forgotten", async () => {
  const { clock, port, read } = rig();
  await clock.advance(2_500);
  const startMs = clock.monotonicMs();
  for (let nth = 0; nth < 4; nth++) await read(5_000);
  expect(clock.monotonicMs()).toBe(startMs);
  await port.discard();
  await read(5_000);
  expect(clock.monotonicMs() - startMs).toBe(500);
});

test("a chip that says nothing in time is a timeout, after that time", async () => {
  const { clock, serial, read } = rig();
  const startMs = clock.monotonicMs();
  await expect(read(300)).rejects.toMatchObject({ name: "SerialError", fault: "timeout" });
  expect(clock.monotonicMs() - startMs).toBe(300);
  serial.fail(PATH, "silent");
  await expect(read(5_000)).rejects.toMatchObject({ fault: "timeout" });
});

test("a port that is gone is no port", async () => {
  const { serial, port, read } = rig();
  serial.fail(PATH, "absent");
  for (const work of [() => read(100), () => port.write([1]), () => port.discard()]) {
    await expect(work()).rejects.toMatchObject({ name: "SerialError", fault: "no_port" });
  }
});

test("noise flips one bit of what is said, and a cut takes its last byte", async () => {
  const { serial, read } = rig();
  const all = async () => [...(await read(5_000)), ...(await read(5_000))];
  serial.fail(PATH, "bad_crc");
  const noisy = await all();
  const flipped = noisy.map((byte, index) => byte ^ TEN[index]!).filter((difference) => difference !== 0);
  expect(flipped).toHaveLength(1);
  expect(Math.log2(flipped[0]!) % 1).toBe(0);
  serial.fail(PATH, "short_read");
  expect(await all()).toEqual([...TEN.subarray(0, -1)]);
});
