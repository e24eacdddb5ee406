import { describe, expect, test } from "vitest";
import { digitalOutput } from "../../src/actuators/digital-output.ts";
import { relayBoard } from "../../src/actuators/relay-board.ts";
import type { SimPortChip } from "../../src/device/sim/chips/port-chips.ts";
import { benchOf } from "./kinds.ts";

const CHIPS = ["mcp23017", "tca9555", "pcf8574", "pcf8575"];
const at = (chip: string) => (chip.startsWith("pcf") ? 0x21 : 0x20);

function benchWith(chip: string, more: Readonly<Record<string, unknown>> = {}) {
  const bench = benchOf({ io1: { chip, address: at(chip), ...more } });
  return { ...bench, chip: bench.bus.chip(at(chip)) as SimPortChip };
}

describe.each(CHIPS)("pins of a %s", (name) => {
  test("become outputs with their initial value, without a moment of the other", async () => {
    const { open, chip, clock } = benchWith(name);
    const output = await open(digitalOutput, { pin: { expander: "io1", pin: 3 } }, "off");
    expect(chip.pins.level(3)).toBe(0);
    await open(digitalOutput, { pin: "io1:4", active_low: true }, "off");
    expect(chip.pins.level(4)).toBe(1);
    const before = chip.pins.history.length;
    await clock.run(output.set("on"));
    expect(chip.pins.history.slice(before)).toEqual([[3, 1]]);
  });

  test("go on as they were when another process opens one of them", async () => {
    const { open, reopened, clock, chip } = benchWith(name);
    await open(relayBoard, { expander: "io1", relay: 1 }, "on");
    await open(relayBoard, { expander: "io1", relay: 2 }, "off");
    const before = chip.pins.history.length;
    const line = await clock.run(reopened().gpio.output({ pin: "io1:1", activeLow: true, initial: 1 }));
    await clock.run(line.set(0));
    expect(chip.pins.history.slice(before)).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(chip.pins.level(0)).toBe(0);
  });

  test("are inputs that report their edges, polled", async () => {
    const { board, bus, clock, chip } = benchWith(name, { poll: "20ms" });
    const line = await clock.run(
      board.gpio.input({ pin: "io1:5", bias: "up", activeLow: true, debounceMs: 30 }),
    );
    const edges: string[] = [];
    const stop = new AbortController();
    void (async () => {
      for await (const { kind } of line.edges(stop.signal)) edges.push(kind);
    })();
    expect(await clock.run(line.get())).toBe(0);
    chip.pins.hold(5, 0);
    await clock.advance(100);
    chip.pins.hold(5, 1);
    await clock.advance(10);
    chip.pins.hold(5, 0);
    await clock.advance(100);
    expect(edges).toEqual(["rising"]);
    expect(await clock.run(line.get())).toBe(1);
    chip.pins.hold(5, undefined);
    await clock.advance(100);
    expect(edges).toEqual(["rising", "falling"]);
    stop.abort();
    await line.close();
    const transfers = bus.log.length;
    await clock.advance(1_000);
    expect(bus.log.length).toBe(transfers);
  });

  test("with an interrupt line are read when the chip asks, and hardly ever otherwise", async () => {
    const { board, bus, clock, chip } = benchWith(name, { interrupt: 25 });
    const line = await clock.run(board.gpio.input({ pin: "io1:5" }));
    const edges: number[] = [];
    const stop = new AbortController();
    void (async () => {
      for await (const { monotonicMs } of line.edges(stop.signal)) edges.push(monotonicMs);
    })();
    await clock.advance(500);
    const transfers = bus.log.length;
    await clock.advance(10_000);
    expect(bus.log.length - transfers).toBeLessThanOrEqual(12);
    await clock.advance(300);
    const pressedAtMs = clock.monotonicMs();
    chip.pins.hold(5, 0);
    await clock.advance(50);
    expect(edges).toHaveLength(1);
    expect(edges[0]! - pressedAtMs).toBeLessThan(10);
    stop.abort();
    await line.close();
  });

  test("have one user each, and a bus that fails fails the write", async () => {
    const { open, board, bus, clock } = benchWith(name);
    const output = await open(digitalOutput, { pin: "io1:3" }, "off");
    await expect(clock.run(board.gpio.output({ pin: "io1:3", initial: 0 }))).rejects.toMatchObject({
      fault: "taken",
    });
    await expect(clock.run(board.gpio.output({ pin: "io1:16", initial: 0 }))).rejects.toMatchObject({
      fault: "no_line",
    });
    bus.fail("all", { fault: "no_ack", transfers: 1 });
    await expect(clock.run(output.set("on"))).rejects.toMatchObject({ fault: "io" });
    await clock.run(output.set("on"));
  });

  test("that could not be switched off while the chip was away are not switched on by a write to another", async () => {
    const { open, chip, bus, clock } = benchWith(name);
    const pump = await open(digitalOutput, { pin: "io1:3" }, "off");
    const lamp = await open(digitalOutput, { pin: "io1:4" }, "off");
    await clock.run(pump.set("on"));
    bus.fail("all", { fault: "no_ack", transfers: 1 });
    await expect(clock.run(pump.set("off"))).rejects.toMatchObject({ fault: "io" });
    chip.reset();
    await clock.run(lamp.set("on"));
    expect([chip.pins.level(3), chip.pins.level(4)]).toEqual([0, 1]);
  });
});

test.each(["mcp23017", "tca9555"])(
  "a %s that lost its supply is set up anew by the next write",
  async (name) => {
    const { open, chip, clock } = benchWith(name);
    const output = await open(relayBoard, { expander: "io1", relay: 4 }, "off");
    chip.reset();
    await clock.run(output.set("on"));
    expect(chip.pins.level(3)).toBe(0);
  },
);

test("a chip that cannot pull a pin that way says so", async () => {
  const { board, clock } = benchWith("tca9555");
  await expect(clock.run(board.gpio.input({ pin: "io1:5", bias: "down" }))).rejects.toMatchObject({
    fault: "unsupported",
    message: 'io1:5: the chip cannot pull it "down"',
  });
});
