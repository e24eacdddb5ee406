import { describe, expect, test, vi } from "vitest";
import {
  type Edge,
  GpioError,
  type InputLine,
  type InputRequest,
  type LineId,
} from "../../../src/device/gpio.ts";
import { sysfsGpio } from "../../../src/device/linux/gpio.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { type FakeChip, FakeGpioKernel } from "./fake-gpio-kernel.ts";
import { nodeError } from "./system-error.ts";

const HEADER: FakeChip = { label: "pinctrl-bcm2711", base: 512, lineCount: 58 };
const EXPANDER: FakeChip = { label: "raspberrypi-exp-gpio", base: 570, lineCount: 8 };
const GPIO17 = 512 + 17;

function setUp(chips: readonly FakeChip[] = [EXPANDER, HEADER], chip = "auto") {
  const clock = new VirtualClock({ wallMs: 0 });
  const kernel = new FakeGpioKernel(clock, chips);
  const gpio = sysfsGpio({ clock, files: kernel.files, chip, load: async () => kernel.onoff });
  return { clock, kernel, gpio };
}

/** Collects a line's edges in the background. */
function collect(line: InputLine) {
  const stop = new AbortController();
  const edges: Edge[] = [];
  const done = (async () => {
    for await (const edge of line.edges(stop.signal)) edges.push(edge);
  })();
  return { edges, done, stop: () => stop.abort() };
}

describe("which line a pin is", () => {
  test.each([
    ["Raspberry Pi 3", [{ label: "pinctrl-bcm2835", base: 512, lineCount: 54 }], 529],
    ["Raspberry Pi 4, with another chip before it", [EXPANDER, HEADER], 529],
    ["Raspberry Pi 5", [{ label: "pinctrl-rp1", base: 571, lineCount: 54 }], 588],
    ["an old kernel", [{ label: "pinctrl-bcm2835", base: 0, lineCount: 54 }], 17],
    ["some other board with one chip", [{ label: "gpio-sim.0", base: 984, lineCount: 32 }], 1001],
  ])("is found on %s", async (_name, chips, number) => {
    const { kernel, gpio } = setUp(chips);
    await gpio.output({ pin: 17, initial: 0 });
    expect(kernel.line(number)).toMatchObject({ exported: true, direction: "out" });
  });

  test("is understood by name too", async () => {
    const { kernel, gpio } = setUp();
    await gpio.output({ pin: "GPIO17", initial: 0 });
    expect(kernel.line(GPIO17).exported).toBe(true);
  });

  test("follows the chip that the configuration names, by label or name", async () => {
    for (const chip of ["raspberrypi-exp-gpio", "gpiochip570"]) {
      const { kernel, gpio } = setUp([EXPANDER, HEADER], chip);
      await gpio.output({ pin: 3, initial: 0 });
      expect(kernel.line(573).exported).toBe(true);
    }
  });

  test("cannot be told among several unknown chips, which the error lists", async () => {
    const { gpio } = setUp([EXPANDER, { label: "other", base: 600, lineCount: 4 }]);
    const failed = gpio.output({ pin: 1, initial: 0 });
    await expect(failed).rejects.toMatchObject({ fault: "no_line" });
    await expect(failed).rejects.toThrow(
      "gpiochip570 (raspberrypi-exp-gpio, 8 lines), gpiochip600 (other, 4 lines)",
    );
  });

  test.each([58, "SDA1", "GPIO99"])("is refused where there is none: %s", async (pin) => {
    await expect(setUp().gpio.output({ pin, initial: 0 })).rejects.toMatchObject({ fault: "no_line" });
  });

  test("needs a kernel that has GPIO in sysfs", async () => {
    const { clock, kernel } = setUp();
    const list = () => Promise.reject(nodeError("ENOENT", "scandir"));
    const gpio = sysfsGpio({ clock, files: { ...kernel.files, list } });
    const message = /no GPIO in sysfs/;
    await expect(gpio.output({ pin: 17, initial: 0 })).rejects.toMatchObject({
      fault: "unsupported",
      message,
    });
    // Nor is there anything to be put into config.txt of a machine without GPIO.
    await expect(gpio.input({ pin: 17, bias: "up" })).rejects.toThrow(message);
    await expect(gpio.output({ pin: 17, initial: 0, drive: "open_drain" })).rejects.toThrow(message);
  });
});

describe("taking a line", () => {
  test("fails as taken where the kernel or another process owns it", async () => {
    const { kernel, gpio } = setUp();
    kernel.line(GPIO17, { owner: "w1-gpio" });
    await expect(gpio.input({ pin: 17 })).rejects.toMatchObject({ fault: "taken" });
  });

  test("fails as taken where this program has it already, until it gives it back", async () => {
    const { gpio } = setUp();
    const line = await gpio.input({ pin: 17 });
    await expect(gpio.output({ pin: "GPIO17", initial: 0 })).rejects.toMatchObject({ fault: "taken" });
    await line.close();
    const output = await gpio.output({ pin: 17, initial: 0 });
    await line.close();
    await expect(gpio.input({ pin: 17 })).rejects.toMatchObject({ fault: "taken" });
    await output.close();
  });

  test.each(["EACCES", "EROFS"] as const)("fails as denied on %s", async (code) => {
    const { kernel, gpio } = setUp();
    kernel.exportError = nodeError(code, "open");
    await expect(gpio.input({ pin: 17 })).rejects.toMatchObject({ name: "GpioError", fault: "denied" });
  });

  test("waits for udev without holding up the event loop", async () => {
    const { clock, kernel, gpio } = setUp();
    kernel.udevMs = 300;
    const startMs = clock.monotonicMs();
    await clock.run(gpio.input({ pin: 17 }));
    expect(clock.monotonicMs() - startMs).toBe(300);
  });

  test("gives up on udev after two seconds and gives the line back", async () => {
    const { clock, kernel, gpio } = setUp();
    kernel.udevMs = 60_000;
    await expect(clock.run(gpio.input({ pin: 17 }))).rejects.toMatchObject({ fault: "denied" });
    expect(kernel.line(GPIO17).exported).toBe(false);
  });

  test("fails as unsupported where the line makes no interrupts", async () => {
    const { clock, kernel, gpio } = setUp();
    kernel.line(GPIO17, { interrupts: false });
    const failed = clock.run(gpio.input({ pin: 17 }));
    await expect(failed).rejects.toMatchObject({ fault: "unsupported" });
    await expect(failed).rejects.toThrow('"edge"');
  });
});

describe("what sysfs cannot do", () => {
  test.each(["open_drain", "open_source"] as const)("is refused: an output that is %s", async (drive) => {
    const failed = setUp().gpio.output({ pin: 17, initial: 0, drive });
    await expect(failed).rejects.toMatchObject({ fault: "unsupported" });
    await expect(failed).rejects.toThrow("set gpio.backend to cdev");
  });

  test("is done one after the other: several outputs, those that go to 0 first", async () => {
    const { gpio, kernel } = setUp();
    const lines = await gpio.outputs([
      { pin: 17, initial: 1 },
      { pin: 18, initial: 0 },
    ]);
    const write = vi.spyOn(kernel.files, "write");
    await lines.set([0, 1]);
    await lines.set([1, 0]);
    const written = write.mock.calls.map(([path, text]) => `${path.split("/").slice(-2).join("/")}=${text}`);
    expect(written).toEqual([
      `gpio${GPIO17}/value=0`,
      `gpio${GPIO17 + 1}/value=1`,
      `gpio${GPIO17 + 1}/value=0`,
      `gpio${GPIO17}/value=1`,
    ]);
  });
});

describe("an input", () => {
  async function opened(request: Partial<InputRequest<LineId>> = {}, electrical: 0 | 1 = 0) {
    const made = setUp();
    made.kernel.line(GPIO17, { electrical });
    return { ...made, line: await made.gpio.input({ pin: 17, ...request }) };
  }

  test("tells its level, the logical one", async () => {
    const { kernel, line } = await opened({ activeLow: true }, 1);
    expect(await line.get()).toBe(0);
    kernel.drive(GPIO17, 0);
    expect(await line.get()).toBe(1);
  });

  test("reports every edge in order, with its time", async () => {
    const { clock, kernel, line } = await opened();
    const { edges } = collect(line);
    for (const level of [1, 0, 1] as const) {
      await clock.advance(100);
      kernel.drive(GPIO17, level);
    }
    await clock.advance(1);
    expect(edges).toEqual([
      { kind: "rising", monotonicMs: 60_100, missed: 0 },
      { kind: "falling", monotonicMs: 60_200, missed: 0 },
      { kind: "rising", monotonicMs: 60_300, missed: 0 },
    ]);
  });

  test.each([
    ["rising", ["rising", "rising"]],
    ["falling", ["falling", "falling"]],
  ] as const)("reports only %s edges where only they were asked for", async (kind, expected) => {
    const { clock, kernel, line } = await opened({ edges: kind });
    const { edges } = collect(line);
    for (const level of [1, 0, 1, 0] as const) {
      kernel.drive(GPIO17, level);
      await clock.advance(10);
    }
    expect(edges.map((edge) => edge.kind)).toEqual(expected);
  });

  test("counts a pulse that was over before its level could be read", async () => {
    const { clock, kernel, line } = await opened();
    const { edges } = collect(line);
    kernel.drive(GPIO17, 1, 0);
    await clock.advance(1);
    expect(edges.map(({ kind }) => kind)).toEqual(["rising", "falling"]);
  });

  test("lets a level count only when it has held", async () => {
    const { clock, kernel, line } = await opened({ debounceMs: 20 });
    const { edges } = collect(line);
    for (const level of [1, 0, 1, 0, 1] as const) {
      kernel.drive(GPIO17, level);
      await clock.advance(5);
    }
    expect(await line.get()).toBe(0);
    kernel.drive(GPIO17, 0, 1);
    await clock.advance(20);
    expect(await line.get()).toBe(1);
    expect(edges).toEqual([{ kind: "rising", monotonicMs: 60_025, missed: 0 }]);
  });

  test("ignores a pulse shorter than the debounce time", async () => {
    const { clock, kernel, line } = await opened({ debounceMs: 20 });
    const { edges } = collect(line);
    kernel.drive(GPIO17, 1, 0);
    await clock.advance(10);
    kernel.drive(GPIO17, 1);
    await clock.advance(10);
    kernel.drive(GPIO17, 0);
    await clock.advance(100);
    expect(edges).toEqual([]);
  });

  test("finds an edge whose interrupt never came when it is asked for its level", async () => {
    const { clock, kernel, line } = await opened();
    const { edges } = collect(line);
    kernel.line(GPIO17).electrical = 1;
    expect(await line.get()).toBe(1);
    await clock.advance(1);
    expect(edges.map(({ kind }) => kind)).toEqual(["rising"]);
  });

  test("says how many edges waited too long for their reader", async () => {
    const { clock, kernel, line } = await opened();
    for (let turn = 0; turn < 300; turn++) {
      kernel.drive(GPIO17, turn % 2 === 0 ? 1 : 0);
      await new Promise(setImmediate);
    }
    const { edges } = collect(line);
    await clock.advance(1);
    expect(edges).toHaveLength(256);
    expect(edges.slice(0, 2).map(({ missed }) => missed)).toEqual([44, 0]);
  });

  test("ends its edges with an error, not the process, when the line is taken away", async () => {
    const { clock, kernel, line } = await opened();
    const { done } = collect(line);
    const failed = expect(done).rejects.toMatchObject({ name: "GpioError", fault: "io" });
    kernel.drive(GPIO17, 1);
    kernel.unexport(GPIO17);
    await clock.advance(1);
    await failed;
    await expect(line.get()).rejects.toBeInstanceOf(GpioError);
  });

  test("ends its edges and gives the line back when closed", async () => {
    const { kernel, line } = await opened();
    const { done } = collect(line);
    await line.close();
    await done;
    expect(kernel.line(GPIO17)).toMatchObject({ exported: false, notify: undefined });
    await expect(line.get()).rejects.toMatchObject({ fault: "io" });
  });

  test.each([
    ["direction", { direction: "out" }],
    ["active_low", { activeLow: true }],
    ["edge", { edge: "none" }],
  ] as const)("fails clearly where a line left over keeps its %s", async (attribute, state) => {
    const { kernel, gpio } = setUp();
    kernel.line(GPIO17, { exported: true, ...state, stubborn: new Set([attribute]) });
    await expect(gpio.input({ pin: 17 })).rejects.toBeInstanceOf(GpioError);
  });

  test("is not deaf on a line left over whose edge is already right but cannot be set", async () => {
    const { kernel, gpio } = setUp();
    kernel.line(GPIO17, { exported: true, edge: "both", stubborn: new Set(["edge"]) });
    await expect(gpio.input({ pin: 17 })).rejects.toMatchObject({ fault: "denied" });
  });

  test("takes over a line that a crash left exported", async () => {
    const { clock, kernel, gpio } = setUp();
    kernel.line(GPIO17, { exported: true, activeLow: true, edge: "falling", direction: "out" });
    const line = await gpio.input({ pin: 17 });
    const { edges } = collect(line);
    kernel.drive(GPIO17, 1);
    await clock.advance(1);
    expect(edges.map(({ kind }) => kind)).toEqual(["rising"]);
  });

  test.each([
    ["up", "gpio=17=pu"],
    ["down", "gpio=17=pd"],
    ["none", "gpio=17=pn"],
  ] as const)("cannot set a pull %s and says what can", async (bias, line) => {
    for (const pin of [17, "GPIO17"]) {
      const failed = setUp().gpio.input({ pin, bias });
      await expect(failed).rejects.toMatchObject({ fault: "unsupported" });
      await expect(failed).rejects.toThrow(line);
    }
  });
});

describe("an output", () => {
  test.each([
    [0, false, 0],
    [1, false, 1],
    [0, true, 1],
    [1, true, 0],
  ] as const)(
    "begins with %i, active low %s, as level %i and without a glitch",
    async (initial, activeLow, level) => {
      const { kernel, gpio } = setUp();
      kernel.line(GPIO17, { electrical: level === 1 ? 0 : 1 });
      const line = await gpio.output({ pin: 17, initial, activeLow });
      expect(kernel.line(GPIO17).driven).toEqual([level]);
      expect(await line.get()).toBe(initial);
      await line.set(initial === 1 ? 0 : 1);
      expect(kernel.line(GPIO17).driven).toEqual([level, level === 1 ? 0 : 1]);
      expect(await line.get()).toBe(initial === 1 ? 0 : 1);
    },
  );

  test("keeps its level without a glitch when a new run takes it over", async () => {
    const { kernel, gpio } = setUp();
    kernel.line(GPIO17, { exported: true, direction: "out", electrical: 1, activeLow: true });
    await gpio.output({ pin: 17, initial: 1 });
    expect(kernel.line(GPIO17)).toMatchObject({ driven: [1], activeLow: false });
  });

  test("can be made of what an input left over", async () => {
    const { kernel, gpio } = setUp();
    kernel.line(GPIO17, { exported: true, edge: "both" });
    await gpio.output({ pin: 17, initial: 1 });
    expect(kernel.line(GPIO17)).toMatchObject({ direction: "out", electrical: 1 });
  });

  test("goes on driving after it is closed, and can be taken again", async () => {
    const { kernel, gpio } = setUp();
    const line = await gpio.output({ pin: 17, initial: 1 });
    await line.close();
    expect(kernel.line(GPIO17)).toMatchObject({ exported: true, direction: "out", electrical: 1 });
    await expect(line.set(0)).rejects.toMatchObject({ fault: "io" });
    await gpio.output({ pin: 17, initial: 1 });
    expect(kernel.line(GPIO17).driven).toEqual([1, 1]);
  });

  test("fails where the line refuses, and tells the last value it took", async () => {
    const { kernel, gpio } = setUp();
    const line = await gpio.output({ pin: 17, initial: 0 });
    kernel.line(GPIO17).stubborn.add("value");
    await expect(line.set(1)).rejects.toMatchObject({ fault: "denied" });
    expect(await line.get()).toBe(0);
  });

  test("needs no native module, an input does", async () => {
    const { clock, kernel } = setUp();
    const load = () => Promise.reject(new GpioError("unsupported", "onoff does not load"));
    const gpio = sysfsGpio({ clock, files: kernel.files, load });
    await expect(gpio.output({ pin: 17, initial: 0 })).resolves.toBeDefined();
    await expect(gpio.input({ pin: 18 })).rejects.toMatchObject({ fault: "unsupported" });
  });
});
