import type { Clock } from "../clock.ts";
import { EdgeQueue } from "../edge-queue.ts";
import {
  type Gpio,
  GpioError,
  type InputLine,
  type InputRequest,
  type LineId,
  type LineValue,
  type OutputRequest,
  outputsOneByOne,
} from "../gpio.ts";
import type { PortChip, PortState } from "./port-chip.ts";

export interface ExpanderLinesOptions {
  readonly name: string;
  readonly chip: PortChip;
  readonly clock: Clock;
  readonly pollMs: number;
  /** Opens the line that the chip's INT output is wired to. */
  readonly interrupt?: () => Promise<InputLine>;
}

/** With an interrupt the inputs are read all the same, this often: an edge that was missed would be missed for good. */
const CHECK_MS = 1_000;

/** The pins of one chip as lines. Pins are `<name>:<number>`. */
export function expanderLines({ name, chip, clock, pollMs, interrupt }: ExpanderLinesOptions): Gpio<LineId> {
  const taken = new Set<number>();
  const inputs = new Set<{ update(pins: number): void }>();
  let state: PortState | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let watching: AbortController | undefined;

  /**
   * One change of the whole port at a time, on top of what was wanted last. That includes a change that failed: the next
   * write must not bring back what somebody has tried to switch off.
   */
  function change(next: (state: PortState) => PortState): Promise<void> {
    const done = last.then(async () => {
      state = next(state ?? (await chip.recall()));
      await chip.write(state);
    });
    last = done.catch(() => {});
    return done.catch((cause: unknown) => {
      throw toGpioError(name, cause);
    });
  }

  function take(pin: number | string): number {
    const number = Number(String(pin).slice(name.length + 1));
    if (!Number.isInteger(number) || number >= chip.pinCount)
      throw new GpioError("no_line", `${name} has pins 0 to ${chip.pinCount - 1}, no ${number}`);
    if (taken.has(number)) throw new GpioError("taken", `${pin} is already in use by this program`);
    taken.add(number);
    return number;
  }

  async function output(request: OutputRequest<LineId>) {
    const { pin, activeLow = false, initial, drive: mode = "push_pull" } = request;
    if (mode !== "push_pull") throw new GpioError("unsupported", `${pin}: the chip has no ${mode} outputs`);
    const number = take(pin);
    const bit = 1 << number;
    let told = initial;
    let open = true;
    const drive = (value: LineValue) =>
      change((state) => ({
        ...state,
        outputs: state.outputs | bit,
        levels: (value === 1) !== activeLow ? state.levels | bit : state.levels & ~bit,
      }));
    try {
      await drive(initial);
    } catch (error) {
      taken.delete(number);
      throw error;
    }
    return {
      async set(value: LineValue) {
        if (!open) throw new GpioError("io", `${pin} was given back`);
        await drive(value);
        told = value;
      },
      get: async () => told,
      async close() {
        // The chip goes on driving the pin.
        if (open) taken.delete(number);
        open = false;
      },
    };
  }

  async function input(request: InputRequest<LineId>): Promise<InputLine> {
    const { pin, bias, activeLow = false, edges = "both", debounceMs = 0 } = request;
    const pullable = chip.pullUps === "chosen" ? bias !== "down" : bias === undefined || bias === "up";
    if (!pullable) throw new GpioError("unsupported", `${pin}: the chip cannot pull it "${bias}"`);
    const number = take(pin);
    const bit = 1 << number;
    const logical = (pins: number): LineValue => (((pins & bit) !== 0) !== activeLow ? 1 : 0);
    let settled: LineValue;
    try {
      await change((state) => ({
        outputs: state.outputs & ~bit,
        // What a PCF857x holds high is an input.
        levels: state.levels | bit,
        pullUps: bias === "up" ? state.pullUps | bit : bias === "none" ? state.pullUps & ~bit : state.pullUps,
      }));
      settled = logical(await read());
    } catch (error) {
      taken.delete(number);
      throw error;
    }
    const queue = new EdgeQueue();
    let latest = settled;
    let holding = new AbortController();
    const settle = () => {
      if (latest === settled) return;
      settled = latest;
      const kind = settled === 1 ? "rising" : "falling";
      if (edges === "both" || edges === kind)
        queue.push({ kind, monotonicMs: clock.monotonicMs(), missed: 0 });
    };
    const watched = {
      update(pins: number) {
        if (logical(pins) === latest) return;
        latest = logical(pins);
        holding.abort();
        holding = new AbortController();
        const { signal } = holding;
        if (debounceMs === 0) return settle();
        void clock.sleep(debounceMs, signal).then(() => !signal.aborted && settle());
      },
    };
    inputs.add(watched);
    watch();
    return {
      get: async () => logical(await read()),
      edges: (signal) => queue.read(signal),
      async close() {
        if (!inputs.delete(watched)) return;
        holding.abort();
        queue.close();
        taken.delete(number);
        if (inputs.size === 0) {
          watching?.abort();
          watching = undefined;
        }
      },
    };
  }

  async function read(): Promise<number> {
    try {
      return await chip.read();
    } catch (cause) {
      throw toGpioError(name, cause);
    }
  }

  /** Reads the inputs whenever the chip asks for it, or every so often, while there are any. */
  function watch(): void {
    if (watching) return;
    watching = new AbortController();
    const { signal } = watching;
    let wake = new AbortController();
    void follow();
    void ring();

    async function follow(): Promise<void> {
      while (!signal.aborted) {
        const pins = await chip.read().catch(() => undefined);
        if (pins !== undefined) for (const each of [...inputs]) each.update(pins);
        if (wake.signal.aborted) wake = new AbortController();
        await clock.sleep(interrupt ? CHECK_MS : pollMs, AbortSignal.any([signal, wake.signal]));
      }
    }

    async function ring(): Promise<void> {
      const line = await interrupt?.().catch(() => undefined);
      if (!line) return;
      for await (const _ of line.edges(signal)) wake.abort();
      await line.close();
    }
  }

  return { input, output, outputs: (requests) => outputsOneByOne(requests, output) };
}

function toGpioError(name: string, cause: unknown): GpioError {
  if (cause instanceof GpioError) return cause;
  return new GpioError("io", `${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
