import type { Clock } from "../clock.ts";
import { EdgeQueue } from "../edge-queue.ts";
import { GpioError, type InputLine, type InputRequest, type LineValue } from "../gpio.ts";
import { debouncer } from "./debounce.ts";
import { type ExportedLine, toGpioError } from "./gpio-export.ts";

/** What this program uses of onoff's `Gpio`. */
export interface OnoffGpio {
  direction(): string;
  edge(): string;
  activeLow(): boolean;
  setEdge(edge: "both"): void;
  read(): Promise<LineValue>;
  readSync(): LineValue;
  watch(callback: (error: Error | null | undefined, value: LineValue) => void): void;
  unwatchAll(): void;
  unexport(): void;
}

/** What this program uses of the module onoff. */
export interface OnoffModule {
  readonly Gpio: new (
    number: number,
    direction: "in",
    edge: "both",
    options: { readonly activeLow: boolean },
  ) => OnoffGpio;
}

/**
 * An input through onoff. Sysfs tells that something happened, not what: edges come without number or time, several
 * may arrive as one, and how many did is not known. So `missed` counts only what waited too long for its reader here.
 */
export async function openInput(
  { Gpio }: OnoffModule,
  line: ExportedLine,
  { activeLow = false, edges = "both", debounceMs = 0 }: Omit<InputRequest, "pin">,
  clock: Clock,
): Promise<InputLine> {
  const gpio = await configure(() => new Gpio(line.number, "in", "both", { activeLow }), line, activeLow);
  const queue = new EdgeQueue();
  const level = debouncer(clock, debounceMs, gpio.readSync(), (value, sinceMs) => {
    const kind = value === 1 ? "rising" : "falling";
    if (edges === "both" || edges === kind) queue.push({ kind, monotonicMs: sinceMs, missed: 0 });
  });
  let open = true;

  guardReads(gpio, (cause) => {
    gpio.unwatchAll();
    queue.fail(toGpioError(line.name, cause));
    return level.seen;
  });
  gpio.watch((_error, value) => {
    // Told of a change, yet the level is the old one: a pulse was over before it could be looked at.
    if (value === level.seen) level.observe(opposite(value));
    level.observe(value);
  });

  return {
    async get() {
      if (!open) throw new GpioError("io", `${line.name} was given back`);
      try {
        // Also shows an edge whose interrupt never came (reported of the Raspberry Pi 5, fivdi/onoff#197).
        level.observe(await gpio.read());
      } catch (cause) {
        throw toGpioError(line.name, cause);
      }
      return level.settled;
    },
    edges: (signal) => queue.read(signal),
    async close() {
      open = false;
      level.stop();
      queue.close();
      gpio.unexport();
    },
  };
}

/** onoff swallows what goes wrong on a line that was exported before it came: so everything is looked at again. */
async function configure(
  construct: () => OnoffGpio,
  line: ExportedLine,
  activeLow: boolean,
): Promise<OnoffGpio> {
  let gpio: OnoffGpio | undefined;
  try {
    gpio = construct();
    // Again, because an error swallowed here leaves onoff deaf even where the file already says "both".
    gpio.setEdge("both");
    const found = `${gpio.direction()}, edge ${gpio.edge()}, active_low ${gpio.activeLow()}`;
    const wanted = `in, edge both, active_low ${activeLow}`;
    if (found === wanted) return gpio;
    throw new GpioError("io", `${line.name}: the line stays "${found}" and does not become "${wanted}"`);
  } catch (cause) {
    if (gpio) gpio.unexport();
    else if (!line.found) await line.unexport();
    throw toGpioError(line.name, cause);
  }
}

/** onoff reads inside its epoll callback, where an error would end the process: there it becomes `failed`'s affair. */
function guardReads(gpio: OnoffGpio, failed: (cause: unknown) => LineValue): void {
  const readSync = gpio.readSync.bind(gpio);
  gpio.readSync = () => {
    try {
      return readSync();
    } catch (cause) {
      return failed(cause);
    }
  };
}

function opposite(value: LineValue): LineValue {
  return value === 1 ? 0 : 1;
}
