import { describe, expect, test } from "vitest";
import type { Edge, InputLine, InputRequest, LineId } from "../../../src/device/gpio.ts";
import { cdevGpio } from "../../../src/device/linux/gpio-cdev.ts";
import { hasChips } from "../../../src/device/linux/gpio-cdev-line.ts";
import { FakeCharDevices, fakeChip } from "./fake-char-devices.ts";
import { nodeError } from "./system-error.ts";

const NAMES = Array.from({ length: 28 }, (_, offset) => (offset === 3 ? "SCL1" : `GPIO${offset}`));

function setUp(chip = "auto") {
  const header = fakeChip("gpiochip0", "pinctrl-bcm2711", 58, NAMES);
  const expander = fakeChip("gpiochip1", "raspberrypi-exp-gpio", 8, ["BT_ON", "GPIO17"]);
  const devices = new FakeCharDevices({ gpiochip1: expander, gpiochip0: header, gpiochip4: header });
  const line = header.lines[17]!;
  return { devices, header, expander, line, gpio: cdevGpio({ devices, chip }) };
}

/** Collects a line's edges in the background. */
function collect(line: InputLine) {
  const edges: Edge[] = [];
  const done = (async () => {
    for await (const edge of line.edges(new AbortController().signal)) edges.push(edge);
  })();
  return { edges, done };
}

describe("which line a pin is", () => {
  test.each([
    ["a number, on the chip behind the header", "auto", 17, "gpiochip0", 17],
    ["a name, on the chip behind the header first", "auto", "GPIO17", "gpiochip0", 17],
    ["a name that another chip has", "auto", "BT_ON", "gpiochip1", 0],
    ["a name on the chip that is configured", "raspberrypi-exp-gpio", "GPIO17", "gpiochip1", 1],
    ["a number on the chip that is configured", "gpiochip1", 5, "gpiochip1", 5],
    ["the BCM number of a line that goes by its function", "auto", "GPIO3", "gpiochip0", 3],
    ["the function itself", "auto", "SCL1", "gpiochip0", 3],
  ])("is found by %s", async (_name, wanted, pin, chip, offset) => {
    const { gpio, devices, header, expander } = setUp(wanted);
    await gpio.output({ pin, initial: 0 });
    const taken = [header, expander].flatMap(({ name, lines }) =>
      lines.flatMap(({ consumer }, nth) => (consumer === "" ? [] : [`${consumer} ${name} ${nth}`])),
    );
    expect(taken).toEqual([`fieldpost ${chip} ${offset}`]);
    expect(devices.openCount).toBe(1);
  });

  test.each([
    [58, /lines 0 to 57/],
    ["GPIO99", /lines 0 to 57/],
    ["SDA9", /SDA9/],
  ])("is refused where there is none: %s", async (pin, message) => {
    const { gpio, devices } = setUp();
    const failed = gpio.input({ pin });
    await expect(failed).rejects.toMatchObject({ name: "GpioError", fault: "no_line" });
    await expect(failed).rejects.toThrow(message);
    expect(devices.openCount).toBe(0);
  });

  test("is not guessed from a number in its name on a chip that is not the header's", async () => {
    const devices = new FakeCharDevices({ gpiochip0: fakeChip("gpiochip0", "other", 32, ["PA0"]) });
    const gpio = cdevGpio({ devices });
    await expect(gpio.input({ pin: "GPIO17" })).rejects.toMatchObject({ fault: "no_line" });
    await gpio.input({ pin: "PA0" });
    await gpio.input({ pin: 17 });
  });

  /** Makes a chip one that may not be opened. */
  function deny(devices: FakeCharDevices, ...denied: string[]): void {
    const open = devices.open.bind(devices);
    devices.open = (name) => {
      if (denied.includes(name)) throw nodeError("EACCES", "open");
      return open(name);
    };
  }

  test("does not depend on a chip beside the header's that cannot be opened", async () => {
    const { gpio, devices, header } = setUp();
    deny(devices, "gpiochip1");
    await gpio.output({ pin: 17, initial: 0 });
    expect(header.lines[17]!.consumer).toBe("fieldpost");
    expect(devices.openCount).toBe(1);
  });

  test.each(["auto", "pinctrl-bcm2711"])(
    "is never that of another chip where the one that is meant, %s, cannot be opened",
    async (wanted) => {
      const { gpio, devices, expander } = setUp(wanted);
      deny(devices, "gpiochip0", "gpiochip4");
      await expect(gpio.output({ pin: "GPIO17", initial: 0 })).rejects.toMatchObject({ fault: "denied" });
      await expect(gpio.output({ pin: 5, initial: 0 })).rejects.toMatchObject({ fault: "denied" });
      expect(expander.lines.every(({ consumer }) => consumer === "")).toBe(true);
    },
  );

  test("cannot be told among several unknown chips, which the error lists", async () => {
    const devices = new FakeCharDevices({
      gpiochip0: fakeChip("gpiochip0", "one", 4),
      gpiochip1: fakeChip("gpiochip1", "two", 2),
    });
    const failed = cdevGpio({ devices }).input({ pin: 1 });
    await expect(failed).rejects.toThrow("gpiochip0 (one, 4 lines), gpiochip1 (two, 2 lines)");
  });
});

describe("taking a line", () => {
  test("fails as taken and names the owner", async () => {
    const { gpio, devices, line } = setUp();
    line.consumer = "w1-gpio";
    const failed = gpio.input({ pin: 17 });
    await expect(failed).rejects.toMatchObject({
      fault: "taken",
      message: 'GPIO17: "w1-gpio" owns the line',
    });
    expect(devices.openCount).toBe(0);
  });

  test("fails as taken where this program has it, until it gives it back", async () => {
    const { gpio, devices } = setUp();
    const input = await gpio.input({ pin: 17 });
    await expect(gpio.output({ pin: 17, initial: 0 })).rejects.toMatchObject({ fault: "taken" });
    await input.close();
    await input.close();
    const output = await gpio.output({ pin: 17, initial: 0 });
    await expect(gpio.input({ pin: 17 })).rejects.toThrow('"fieldpost" owns');
    await output.close();
    await output.close();
    expect(devices.openCount).toBe(0);
  });

  test.each(["EACCES", "EPERM"] as const)(
    "fails as denied on %s and says which group helps",
    async (code) => {
      const { gpio, devices } = setUp();
      devices.openError = nodeError(code, "open");
      const failed = gpio.input({ pin: 17 });
      await expect(failed).rejects.toMatchObject({ fault: "denied" });
      await expect(failed).rejects.toThrow("/dev/gpiochip1: not permitted: add the user to the group gpio");
    },
  );

  test("fails as unsupported where the line makes no interrupts", async () => {
    const { gpio, line } = setUp();
    line.interrupts = false;
    await expect(gpio.input({ pin: 17 })).rejects.toMatchObject({ fault: "unsupported" });
  });

  test("fails as unsupported on a kernel that is too old, which shows beforehand", async () => {
    const { gpio, devices } = setUp();
    expect(hasChips(devices)).toBe(true);
    devices.old = true;
    expect(hasChips(devices)).toBe(false);
    await expect(gpio.input({ pin: "GPIO17" })).rejects.toMatchObject({ fault: "unsupported" });
    devices.openError = nodeError("EACCES", "open");
    expect(hasChips(devices)).toBe(true);
    expect(hasChips(new FakeCharDevices({}))).toBe(false);
  });
});

describe("an input", () => {
  async function opened(request: Partial<InputRequest<LineId>> = {}) {
    const made = setUp();
    return { ...made, input: await made.gpio.input({ pin: 17, ...request }) };
  }

  test.each([
    ["up", 1n << 8n],
    ["down", 1n << 9n],
    ["none", 1n << 10n],
  ] as const)("asks for its pull %s", async (bias, flag) => {
    const { line } = await opened({ bias });
    expect(line.request!.flags & (7n << 8n)).toBe(flag);
  });

  test("leaves the pull alone where none is asked for", async () => {
    const { line } = await opened();
    expect(line.request!.flags & (7n << 8n)).toBe(0n);
  });

  test("tells its level, the logical one", async () => {
    const { devices, line, input } = await opened({ activeLow: true });
    expect(await input.get()).toBe(1);
    devices.drive(line, 1, 0);
    expect(await input.get()).toBe(0);
  });

  test("reports every edge in order, with the kernel's time", async () => {
    const { devices, line, input } = await opened();
    const { edges } = collect(input);
    for (const [nth, level] of ([1, 0, 1] as const).entries()) devices.drive(line, level, 100 + nth / 8);
    await devices.settle();
    expect(edges).toEqual([
      { kind: "rising", monotonicMs: 100, missed: 0 },
      { kind: "falling", monotonicMs: 100.125, missed: 0 },
      { kind: "rising", monotonicMs: 100.25, missed: 0 },
    ]);
  });

  test.each([
    ["rising", false, ["rising"]],
    ["falling", false, ["falling"]],
    ["rising", true, ["rising"]],
  ] as const)(
    "reports only %s edges where only they were asked for, active low %s",
    async (kind, activeLow, kinds) => {
      const { devices, line, input } = await opened({ edges: kind, activeLow });
      const { edges } = collect(input);
      devices.drive(line, 1, 1);
      devices.drive(line, 0, 2);
      await devices.settle();
      expect(edges.map((edge) => edge.kind)).toEqual(kinds);
    },
  );

  test("has the kernel debounce it, and says when the level began to hold", async () => {
    const { devices, line, input } = await opened({ debounceMs: 20 });
    const { edges } = collect(input);
    expect(line.request!.debounceUs).toBe(20_000);
    devices.drive(line, 1, 500);
    await devices.settle();
    expect(edges).toEqual([{ kind: "rising", monotonicMs: 500, missed: 0 }]);
  });

  test("loses none of a thousand edges that the kernel hands out bit by bit", async () => {
    const { devices, line, input } = await opened();
    const { edges } = collect(input);
    for (let nth = 0; nth < 1_000; nth++) devices.drive(line, nth % 2 === 0 ? 1 : 0, nth);
    await devices.settle();
    expect(edges).toHaveLength(1_000);
    expect(edges.every(({ missed }) => missed === 0)).toBe(true);
  });

  test("says how many edges the kernel had to drop", async () => {
    const { devices, line, input } = await opened();
    const { edges } = collect(input);
    for (let nth = 0; nth < 1_500; nth++) devices.drive(line, nth % 2 === 0 ? 1 : 0, nth);
    await devices.settle();
    expect(edges).toHaveLength(1_024);
    expect(edges[0]!.missed).toBe(476);
    expect(edges.reduce((sum, { missed }) => sum + 1 + missed, 0)).toBe(1_500);
  });

  test("misses nothing when the kernel's count begins anew", async () => {
    const { devices, line, input } = await opened();
    const { edges } = collect(input);
    line.request!.seqno = 2 ** 32 - 3;
    for (let nth = 0; nth < 4; nth++) devices.drive(line, nth % 2 === 0 ? 1 : 0, nth);
    await devices.settle();
    expect(edges.slice(1).map(({ missed }) => missed)).toEqual([0, 0, 0]);
  });

  test("ends its edges with an error, not the process, when the chip goes away", async () => {
    const { devices, line, input } = await opened();
    const { done } = collect(input);
    const failed = expect(done).rejects.toMatchObject({ name: "GpioError", fault: "io" });
    devices.unplug(line);
    await failed;
    await input.close();
    expect(devices.openCount).toBe(0);
  });

  test("takes a wake-up without an event for nothing", async () => {
    const { devices, line, input } = await opened();
    const { edges } = collect(input);
    devices.drive(line, 1, 1);
    devices.eventsPerRead = 0;
    const turn = devices.settle();
    await new Promise(setImmediate);
    devices.eventsPerRead = 1;
    await turn;
    expect(edges).toHaveLength(1);
  });

  test("ends its edges and gives the line back when closed", async () => {
    const { devices, line, input } = await opened();
    const { done } = collect(input);
    await input.close();
    await done;
    expect(line.consumer).toBe("");
    expect(devices.openCount).toBe(0);
    await expect(input.get()).rejects.toMatchObject({ name: "GpioError", fault: "io" });
  });
});

describe("an output", () => {
  test.each([
    [0, false, 0],
    [1, false, 1],
    [0, true, 1],
    [1, true, 0],
  ] as const)(
    "begins with %i, active low %s, as level %i and nothing before",
    async (initial, activeLow, level) => {
      const { gpio, line } = setUp();
      const output = await gpio.output({ pin: 17, initial, activeLow });
      expect(line.driven).toEqual([level]);
      expect(await output.get()).toBe(initial);
      await output.set(initial === 1 ? 0 : 1);
      expect(line.driven).toEqual([level, level === 1 ? 0 : 1]);
      expect(await output.get()).toBe(initial === 1 ? 0 : 1);
    },
  );

  test("moves nothing when it is given back", async () => {
    const { gpio, line } = setUp();
    const output = await gpio.output({ pin: 17, initial: 1 });
    await output.close();
    expect(line.driven).toEqual([1]);
    await expect(output.set(0)).rejects.toMatchObject({ name: "GpioError", fault: "io" });
    expect(await output.get()).toBe(1);
  });
});

describe("how an output drives", () => {
  test.each([
    ["push_pull", 0n],
    ["open_drain", 1n << 6n],
    ["open_source", 1n << 7n],
  ] as const)("is asked of the kernel: %s", async (drive, flag) => {
    const { gpio, line } = setUp();
    await gpio.output({ pin: 17, initial: 0, drive, bias: "up" });
    expect(line.request!.flags & (3n << 6n)).toBe(flag);
    expect(line.request!.flags & (1n << 8n)).toBe(1n << 8n);
  });
});

describe("several outputs", () => {
  test("are one request, begin as asked and change in one step", async () => {
    const { gpio, devices, header } = setUp();
    const [up, down] = [header.lines[5]!, header.lines[6]!];
    const lines = await gpio.outputs([
      { pin: 5, initial: 0 },
      { pin: "GPIO6", initial: 0, activeLow: true },
    ]);
    expect(devices.openCount).toBe(1);
    expect([up.driven, down.driven]).toEqual([[0], [1]]);
    await lines.set([0, 1]);
    expect([up.driven, down.driven]).toEqual([
      [0, 0],
      [1, 0],
    ]);
    expect(await lines.get()).toEqual([0, 1]);
    await expect(lines.set([1])).rejects.toThrow(RangeError);
    await lines.close();
    expect([up.consumer, down.consumer, devices.openCount]).toEqual(["", "", 0]);
  });

  test("are all refused where one is taken, whose owner is named", async () => {
    const { gpio, header, devices } = setUp();
    header.lines[6]!.consumer = "spi0 CS0";
    const failed = gpio.outputs([5, 6, 7].map((pin) => ({ pin, initial: 0 as const })));
    await expect(failed).rejects.toMatchObject({
      fault: "taken",
      message: 'GPIO6: "spi0 CS0" owns the line',
    });
    expect(header.lines.map(({ driven }) => driven.length)).toEqual(header.lines.map(() => 0));
    expect(devices.openCount).toBe(0);
  });

  test("on two chips cannot change together", async () => {
    const { gpio } = setUp();
    const failed = gpio.outputs([
      { pin: 5, initial: 0 },
      { pin: "BT_ON", initial: 0 },
    ]);
    await expect(failed).rejects.toMatchObject({ fault: "unsupported" });
  });
});
