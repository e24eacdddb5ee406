import type { Clock } from "../clock.ts";
import { EdgeQueue } from "../edge-queue.ts";
import {
  assertValues,
  type Edge,
  type Gpio,
  GpioError,
  type InputLine,
  type InputRequest,
  type LineValue,
  type OutputLine,
  type OutputLines,
  type OutputRequest,
  type Pin,
} from "../gpio.ts";
import { headerLine } from "../header.ts";
import type { GpioChipInfo } from "../inventory.ts";
import type { Random } from "../random.ts";
import { SimLine } from "./line.ts";

/** A mechanical contact. */
export interface PressOptions {
  /** How often the contact opens again before it stays closed, and the same on its way back. Default: 4. */
  readonly bounces?: number;
  /** Time over which it bounces, milliseconds. Default: 5. */
  readonly bounceMs?: number;
  /** Time it stays closed, bouncing included, milliseconds. Default: 200. */
  readonly holdMs?: number;
}

/** Lines of the header and the SoC, as on a Raspberry Pi up to 4. */
const LINE_COUNT = 54;

/** The pulls after reset (BCM2835 ARM Peripherals, section 6.2): up on GPIO0..8, down on the rest of the header. */
const LAST_PULLED_UP = 8;

const OUR_NAME = "fieldpost";

/** The GPIO of a Raspberry Pi, and the hands that wire it. Levels are electrical: `activeLow` is the line's affair. */
export class SimGpio implements Gpio {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lines: readonly SimLine[];

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
    this.#lines = Array.from(
      { length: LINE_COUNT },
      (_, offset) => new SimLine(`GPIO${offset}`, offset <= LAST_PULLED_UP ? "up" : "down", clock),
    );
  }

  async input(request: InputRequest): Promise<InputLine> {
    const line = this.#take(request.pin);
    line.becomeInput(request.bias);
    return openInput(line, request, this.#clock);
  }

  async output({ pin, initial, activeLow = false }: OutputRequest): Promise<OutputLine> {
    const line = this.#take(pin);
    line.output(electrical(initial, activeLow));
    return openOutput(line, initial, activeLow);
  }

  /** In one step, as one request of the character device does it. */
  async outputs(requests: readonly OutputRequest[]): Promise<OutputLines> {
    const taken: SimLine[] = [];
    try {
      for (const { pin } of requests) taken.push(this.#take(pin));
    } catch (error) {
      for (const line of taken) line.owner = undefined;
      throw error;
    }
    const lines = requests.map(({ initial, activeLow = false }, nth) => {
      const line = taken[nth]!;
      line.output(electrical(initial, activeLow));
      return { ...openOutput(line, initial, activeLow) };
    });
    return {
      async set(values) {
        assertValues(values, lines.length);
        for (const [nth, line] of lines.entries()) void line.set(values[nth]!);
      },
      get: () => Promise.all(lines.map((line) => line.get())),
      async close() {
        for (const line of lines) await line.close();
      },
    };
  }

  inventory(): GpioChipInfo {
    const used = this.#lines.flatMap(({ name, owner }, offset) =>
      owner === undefined ? [] : [{ offset, name, consumer: owner }],
    );
    return { name: "gpiochip0", label: "pinctrl-bcm2711", lineCount: LINE_COUNT, used };
  }

  /** Holds a pin at a level from outside, as a wire would. */
  drive(pin: Pin, level: LineValue): void {
    this.#line(pin).drive(level);
  }

  /** Lets go of a pin: its pull decides again. */
  release(pin: Pin): void {
    this.#line(pin).drive(undefined);
  }

  /** Makes a pin read and be `level` whatever drives it; `undefined` mends it. */
  stickAt(pin: Pin, level: LineValue | undefined): void {
    this.#line(pin).stick(level);
  }

  /** The electrical level. */
  level(pin: Pin): LineValue {
    return this.#line(pin).level;
  }

  /** Calls `watcher` with the new level on every electrical change, until the returned function is called. */
  watch(pin: Pin, watcher: (level: LineValue) => void): () => void {
    return this.#line(pin).watch(watcher);
  }

  /** Every electrical change so far, as pairs of monotonic time and the new level. */
  history(pin: Pin): readonly (readonly [monotonicMs: number, level: LineValue])[] {
    return this.#line(pin).history;
  }

  /** Gives a pin to somebody else, as a device tree overlay does; `undefined` frees it. */
  occupy(pin: Pin, owner: string | undefined): void {
    this.#line(pin).owner = owner;
  }

  /** Presses a button: the opposite of the present level, then back, both with contact bounce. */
  async press(pin: Pin, { bounces = 4, bounceMs = 5, holdMs = 200 }: PressOptions = {}): Promise<void> {
    const line = this.#line(pin);
    const idle = line.driven;
    const pressed = opposite(line.level);
    const startMs = this.#clock.monotonicMs();
    await this.#bounce(line, pressed, idle, bounces, bounceMs);
    await this.#clock.sleep(startMs + holdMs - this.#clock.monotonicMs());
    await this.#bounce(line, idle, pressed, bounces, bounceMs);
  }

  /** Sends `count` pulses of half a period each, away from the present level and back. */
  async pulse(pin: Pin, count: number, periodMs: number): Promise<void> {
    const line = this.#line(pin);
    const idle = line.driven;
    const active = opposite(line.level);
    for (let sent = 0; sent < count; sent++) {
      line.drive(active);
      await this.#clock.sleep(periodMs / 2);
      line.drive(idle);
      await this.#clock.sleep(periodMs / 2);
    }
  }

  async #bounce(
    line: SimLine,
    to: LineValue | undefined,
    from: LineValue | undefined,
    bounces: number,
    bounceMs: number,
  ): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    const changesAtMs = Array.from({ length: 2 * bounces }, () => this.#random() * bounceMs);
    line.drive(to);
    for (const [index, atMs] of changesAtMs.sort((a, b) => a - b).entries()) {
      await this.#clock.sleep(startMs + atMs - this.#clock.monotonicMs());
      line.drive(index % 2 === 0 ? from : to);
    }
  }

  #take(pin: Pin): SimLine {
    const line = this.#line(pin);
    if (line.owner !== undefined) throw new GpioError("taken", `${line.name} is taken by "${line.owner}"`);
    line.owner = OUR_NAME;
    return line;
  }

  #line(at: Pin): SimLine {
    const pin = typeof at === "object" ? headerLine(at, "40") : at;
    const line = typeof pin === "number" ? this.#lines[pin] : this.#lines.find(({ name }) => name === pin);
    if (!line) throw new GpioError("no_line", `the board has no line ${pin}`);
    return line;
  }
}

function openOutput(line: SimLine, initial: LineValue, activeLow: boolean): OutputLine {
  let value = initial;
  let open = true;
  return {
    async set(next) {
      if (!open) throw new GpioError("io", `${line.name} was given back`);
      value = next;
      line.output(electrical(next, activeLow));
    },
    get: async () => value,
    async close() {
      // A Raspberry Pi's pin stays an output and keeps its level (raspberrypi/linux, `strict_gpiod` off).
      if (open) line.owner = undefined;
      open = false;
    },
  };
}

function openInput(line: SimLine, request: InputRequest, clock: Clock): InputLine {
  const { activeLow = false, edges = "both", debounceMs = 0 } = request;
  const queue = new EdgeQueue();
  const logical = (level: LineValue) => electrical(level, activeLow);
  let settled = line.level;
  let holding = new AbortController();

  const change = () => {
    if (line.level === settled) return;
    settled = line.level;
    const kind: Edge["kind"] = logical(settled) === 1 ? "rising" : "falling";
    if (edges === "both" || edges === kind) queue.push({ kind, monotonicMs: clock.monotonicMs(), missed: 0 });
  };
  const restartHold = () => {
    holding.abort();
    holding = new AbortController();
    const { signal } = holding;
    clock.sleep(debounceMs, signal).then(() => {
      if (!signal.aborted) change();
    });
  };
  const unwatch = line.watch(debounceMs > 0 ? restartHold : change);
  let open = true;

  return {
    async get() {
      if (!open) throw new GpioError("io", `${line.name} was given back`);
      return logical(settled);
    },
    edges: (signal) => queue.read(signal),
    async close() {
      if (!open) return;
      open = false;
      unwatch();
      holding.abort();
      queue.close();
      line.owner = undefined;
    },
  };
}

/** Electrical from logical, and logical from electrical: the same exchange. */
function electrical(value: LineValue, activeLow: boolean): LineValue {
  return activeLow ? opposite(value) : value;
}

function opposite(level: LineValue): LineValue {
  return level === 1 ? 0 : 1;
}
