import { describe, expect, test } from "vitest";
import { I2cError } from "../../../src/device/i2c.ts";
import { seededRandom } from "../../../src/device/random.ts";
import { createSimBoard } from "../../../src/device/sim/board.ts";
import { Nack, type SimChip } from "../../../src/device/sim/chip.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { SimI2cBus, type SimI2cFault } from "../../../src/device/sim/i2c.ts";
import { World } from "../../../src/device/sim/world.ts";

/** Gives back what was last written, over and over. */
function echo(): SimChip {
  let last = Uint8Array.of(0);
  return {
    write(bytes) {
      last = bytes.slice();
    },
    read: (length) => Uint8Array.from({ length }, (_, index) => last[index % last.length]!),
  };
}

function rig(seed = 1) {
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
  const bus = new SimI2cBus({ name: "/dev/i2c-1", clock, random: seededRandom(seed) });
  bus.attach(0x20, echo());
  const transfer = (address: number, write: readonly number[], readLength: number) =>
    bus.transfer(address, Uint8Array.from(write), readLength);
  return {
    clock,
    bus,
    transfer,
    run: (...args: Parameters<typeof transfer>) => clock.run(transfer(...args)),
  };
}

const fault = (name: I2cError["fault"]) => ({ name: "I2cError", fault: name });

describe("the simulated bus", () => {
  test("carries a transfer to the chip at its address and takes the time that wire takes", async () => {
    const { clock, run } = rig();
    expect([...(await run(0x20, [1, 2, 3], 3))]).toEqual([1, 2, 3]);
    // 4 bytes out and 4 in, 9 bits each, start and stop, at 100 kHz.
    expect(clock.monotonicMs()).toBeCloseTo(0.74, 9);
  });

  test("gets no acknowledge where no chip is, or from a chip that gives none", async () => {
    const { bus, run } = rig();
    await expect(run(0x21, [0], 1)).rejects.toMatchObject(fault("absent"));
    const refuse = () => {
      throw new Nack("busy");
    };
    bus.attach(0x22, { write: refuse, read: refuse });
    await expect(run(0x22, [], 1)).rejects.toMatchObject(fault("absent"));
  });

  test("fails both of two overlapping transfers, names them and counts them", async () => {
    const { clock, bus, transfer } = rig();
    const outcomes = Promise.allSettled([transfer(0x20, [1], 1), transfer(0x20, [2], 4)]);
    const [first, second] = await clock.run(outcomes);
    for (const outcome of [first, second]) {
      expect(outcome).toMatchObject({ status: "rejected", reason: fault("io") });
      expect((outcome as PromiseRejectedResult).reason.message).toMatch(
        /0x20 write \[01\].*|0x20 write \[02\]/,
      );
    }
    expect((second as PromiseRejectedResult).reason.message).toContain('"0x20 write [02] read 4" ran into');
    expect(bus.overlaps).toBe(1);
  });

  test("keeps a log of what was said", async () => {
    const { bus, run } = rig();
    await run(0x20, [7], 2);
    await run(0x33, [], 1).catch(() => {});
    expect(bus.log).toMatchObject([
      { address: 0x20, write: Uint8Array.of(7), read: Uint8Array.of(7, 7), fault: undefined },
      { address: 0x33, read: undefined, fault: "absent" },
    ]);
    for (let count = 0; count < 1_100; count++) await run(0x20, [1], 0);
    expect(bus.log).toHaveLength(1_000);
  });
});

describe("a fault", () => {
  test.each([
    ["no_ack", "absent"],
    ["timeout", "timeout"],
    ["stuck", "stuck"],
    ["short_read", "short_read"],
  ] as const)("%s fails transfers as %s until it is cleared", async (name, expected) => {
    const { bus, run } = rig();
    bus.fail(0x20, { fault: name });
    await expect(run(0x20, [1], 2)).rejects.toMatchObject(fault(expected));
    await expect(run(0x20, [1], 2)).rejects.toMatchObject(fault(expected));
    bus.clear(0x20);
    expect([...(await run(0x20, [1], 1))]).toEqual([1]);
  });

  test("timeout keeps the bus for a second", async () => {
    const { clock, bus, run } = rig();
    bus.fail("all", { fault: "timeout" });
    await run(0x20, [1], 0).catch(() => {});
    expect(clock.monotonicMs()).toBeGreaterThan(1_000);
  });

  test("bad_crc flips exactly one bit of what is read and spares what is written", async () => {
    const { bus, run } = rig();
    bus.fail(0x20, { fault: "bad_crc", transfers: 1 });
    await run(0x20, [0x55], 0);
    const [byte = 0] = await run(0x20, [0x55], 1);
    expect([1, 2, 4, 8, 16, 32, 64, 128]).toContain(byte ^ 0x55);
    expect([...(await run(0x20, [0x55], 1))]).toEqual([0x55]);
  });

  test("hang holds a transfer until it is cleared", async () => {
    const { clock, bus, transfer } = rig();
    bus.fail(0x20, { fault: "hang" });
    const hanging = transfer(0x20, [1], 1);
    hanging.catch(() => {});
    await clock.advance(3_600_000);
    await expect(transfer(0x20, [1], 1)).rejects.toMatchObject(fault("io"));
    bus.clear(0x20);
    await expect(hanging).rejects.toMatchObject(fault("timeout"));
  });

  test("lasts for the number of transfers it was given", async () => {
    const { bus, run } = rig();
    bus.fail(0x20, { fault: "no_ack", transfers: 2 });
    const outcomes: boolean[] = [];
    for (let count = 0; count < 4; count++)
      outcomes.push(
        await run(0x20, [1], 1).then(
          () => true,
          () => false,
        ),
      );
    expect(outcomes).toEqual([false, false, true, true]);
  });

  test("by chance strikes the same transfers for the same seed", async () => {
    const strikes = async (seed: number) => {
      const { bus, run } = rig(seed);
      bus.fail("all", { fault: "no_ack", probability: 0.3 });
      const outcomes: boolean[] = [];
      for (let count = 0; count < 100; count++)
        outcomes.push(
          await run(0x20, [1], 1).then(
            () => true,
            () => false,
          ),
        );
      return outcomes;
    };
    const first = await strikes(5);
    expect(await strikes(5)).toEqual(first);
    expect(await strikes(6)).not.toEqual(first);
    expect(first.filter((good) => !good).length).toBeGreaterThan(10);
  });
});

describe("the board's bus", () => {
  const board = () => {
    const clock = new VirtualClock({ wallMs: 0 });
    const world = new World({ seed: 1, clock });
    return { clock, board: createSimBoard({ clock, random: seededRandom(1), world }) };
  };

  test("is the same for the same path and lets one transfer at a time onto the wire", async () => {
    const { clock, board: sim } = board();
    const bus = sim.i2c("/dev/i2c-1");
    expect(sim.i2c("/dev/i2c-1")).toBe(bus);
    sim.simBus("/dev/i2c-1").attach(0x20, echo());
    const transfers = [1, 2, 3].map((byte) => bus.transfer(0x20, Uint8Array.of(byte), 1));
    expect((await clock.run(Promise.all(transfers))).map(([byte]) => byte)).toEqual([1, 2, 3]);
    expect(sim.simBus("/dev/i2c-1").overlaps).toBe(0);
  });

  test.each<SimI2cFault>(["hang", "timeout"])("has a deadline against %s", async (name) => {
    const { clock, board: sim } = board();
    sim.simBus("/dev/i2c-1").fail("all", { fault: name });
    const transfer = clock.run(sim.i2c("/dev/i2c-1").transfer(0x20, Uint8Array.of(1), 1), 5_000);
    await expect(transfer).rejects.toBeInstanceOf(I2cError);
    await sim.close();
  });
});
