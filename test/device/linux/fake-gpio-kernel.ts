import type { Clock } from "../../../src/device/clock.ts";
import type { OnoffGpio, OnoffModule } from "../../../src/device/linux/gpio-input.ts";
import type { TextFiles } from "../../../src/device/linux/text-files.ts";
import { nodeError } from "./system-error.ts";

type Level = 0 | 1;

export interface FakeChip {
  readonly label: string;
  readonly base: number;
  readonly lineCount: number;
}

interface Line {
  electrical: Level;
  direction: "in" | "out";
  edge: string;
  activeLow: boolean;
  exported: boolean;
  usableAtMs: number;
  /** A kernel driver or a user of the character device that holds it. */
  owner?: string;
  /** Whether it can make interrupts: without, it has no `edge`. */
  readonly interrupts: boolean;
  /** Attributes that refuse to be written. */
  readonly stubborn: Set<string>;
  /** Electrical levels that the line drove as an output. */
  readonly driven: Level[];
  notify: (() => void) | undefined;
}

const CLASS = "sys/class/gpio";

/**
 * The kernel's GPIO sysfs, in memory (drivers/gpio/gpiolib-sysfs.c). After an export the files stay unusable for
 * `udevMs`. Interrupts that come before anyone looks are one notification, as in kernfs.
 */
export class FakeGpioKernel {
  readonly files: TextFiles;
  readonly onoff: OnoffModule;
  udevMs = 0;
  exportError: Error | undefined;
  readonly #clock: Clock;
  readonly #chips: readonly FakeChip[];
  readonly #lines = new Map<number, Line>();

  constructor(clock: Clock, chips: readonly FakeChip[]) {
    this.#clock = clock;
    this.#chips = chips;
    this.files = {
      read: async (path) => this.#read(path),
      write: async (path, text) => this.#write(path, text),
      list: async (path) => this.#list(path),
      readNow: () => {
        throw new Error("GPIO is not read in a hurry");
      },
      isUsable: async (path) => this.#isUsable(path),
    };
    this.onoff = { Gpio: fakeOnoff(this) };
  }

  line(number: number, change: { -readonly [K in keyof Line]?: Line[K] } = {}): Line {
    const fresh: Line = {
      electrical: 0,
      direction: "in",
      edge: "none",
      activeLow: false,
      exported: false,
      usableAtMs: 0,
      interrupts: true,
      stubborn: new Set(),
      driven: [],
      notify: undefined,
    };
    const line = Object.assign(this.#lines.get(number) ?? fresh, change);
    this.#lines.set(number, line);
    return line;
  }

  /** Applies levels from outside, all before anyone can look, then notifies once. */
  drive(number: number, ...levels: Level[]): void {
    const line = this.line(number);
    let interrupts = 0;
    for (const level of levels) {
      if (level !== line.electrical && line.edge === "both") interrupts++;
      line.electrical = level;
    }
    if (interrupts > 0) line.notify?.();
  }

  logical(number: number): Level {
    const { electrical, activeLow } = this.line(number);
    return (electrical === 1) !== activeLow ? 1 : 0;
  }

  #list(path: string): string[] {
    if (path === CLASS) return ["export", "unexport", ...this.#chips.map(({ base }) => `gpiochip${base}`)];
    const [, number] = /\/gpio(\d+)$/.exec(path) ?? [];
    const line = number === undefined ? undefined : this.#lines.get(Number(number));
    if (!line?.exported) throw nodeError("ENOENT", "scandir");
    return ["active_low", "direction", ...(line.interrupts ? ["edge"] : []), "value"];
  }

  #isUsable(path: string): boolean {
    const [, number, attribute] = /\/gpio(\d+)\/(\w+)$/.exec(path) ?? [];
    const line = this.line(Number(number));
    if (!line.exported || this.#clock.monotonicMs() < line.usableAtMs) return false;
    return attribute !== "edge" || line.interrupts;
  }

  #read(path: string): string {
    const [, base, chipAttribute] = /\/gpiochip(\d+)\/(\w+)$/.exec(path) ?? [];
    const chip = this.#chips.find((chip) => chip.base === Number(base));
    if (chip) return `${{ label: chip.label, base: chip.base, ngpio: chip.lineCount }[chipAttribute!]}`;
    const [, number, attribute] = /\/gpio(\d+)\/(\w+)$/.exec(path) ?? [];
    const line = this.line(Number(number));
    if (!line.exported || (attribute === "edge" && !line.interrupts)) throw nodeError("ENOENT", "open");
    if (attribute === "value") return `${this.logical(Number(number))}`;
    if (attribute === "active_low") return line.activeLow ? "1" : "0";
    return attribute === "edge" ? line.edge : line.direction;
  }

  #write(path: string, text: string): void {
    const [, number, attribute] = /\/gpio(\d+)\/(\w+)$/.exec(path) ?? [];
    if (path === `${CLASS}/export`) this.#export(Number(text));
    else if (path === `${CLASS}/unexport`) this.unexport(Number(text));
    else this.writeAttribute(Number(number), attribute!, text);
  }

  writeAttribute(number: number, attribute: string, text: string): void {
    const line = this.line(number);
    if (!line.exported) throw nodeError("ENOENT", "open");
    if (line.stubborn.has(attribute)) throw nodeError("EACCES", "open");
    if (attribute === "active_low") line.activeLow = text === "1";
    else if (attribute === "edge") line.edge = text;
    else if (attribute === "direction" && text === "in") line.direction = "in";
    else if (attribute === "direction") this.#output(line, text === "high" ? 1 : 0);
    else if (line.direction === "in") throw nodeError("EPERM", "write");
    else this.#output(line, (text === "1") !== line.activeLow ? 1 : 0);
  }

  #output(line: Line, level: Level): void {
    if (line.edge !== "none") throw nodeError("EIO", "write");
    line.direction = "out";
    line.electrical = level;
    line.driven.push(level);
  }

  #export(number: number): void {
    if (this.exportError) throw this.exportError;
    const line = this.line(number);
    if (line.owner !== undefined || line.exported) throw nodeError("EBUSY", "write");
    Object.assign(line, { exported: true, usableAtMs: this.#clock.monotonicMs() + this.udevMs });
  }

  unexport(number: number): void {
    Object.assign(this.line(number), { exported: false, direction: "in", edge: "none", activeLow: false });
  }

  usable(number: number): boolean {
    return this.#isUsable(`${CLASS}/gpio${number}/value`);
  }
}

/**
 * onoff 6.0.3 as it was measured: on a line that is exported already it swallows what fails while configuring, is deaf
 * when setting the edge failed, and reads the level again inside its epoll callback, where an error has no catcher.
 * Stricter in one thing: where the real one would block the event loop it throws.
 */
function fakeOnoff(kernel: FakeGpioKernel): OnoffModule["Gpio"] {
  return class FakeOnoffGpio implements OnoffGpio {
    readonly #number: number;
    #hears = false;
    #listeners: ((error: Error | null, value: Level) => void)[] = [];
    #open = true;

    constructor(number: number, direction: "in", edge: "both", { activeLow }: { activeLow: boolean }) {
      this.#number = number;
      if (!kernel.usable(number)) throw new Error("onoff would export and busy-wait here");
      const swallowing = (work: () => void) => {
        try {
          work();
        } catch {
          // "just keep on truckin'"
        }
      };
      swallowing(() => kernel.writeAttribute(number, "active_low", activeLow ? "1" : "0"));
      swallowing(() => kernel.writeAttribute(number, "direction", direction));
      swallowing(() => this.setEdge(edge));
      this.readSync();
    }

    direction = () => kernel.line(this.#number).direction;
    edge = () => kernel.line(this.#number).edge;
    activeLow = () => kernel.line(this.#number).activeLow;

    setEdge(edge: "both"): void {
      kernel.writeAttribute(this.#number, "edge", edge);
      this.#hears = true;
    }

    async read(): Promise<Level> {
      return this.#level();
    }

    readSync(): Level {
      return this.#level();
    }

    #level(): Level {
      if (!this.#open || !kernel.line(this.#number).exported) throw nodeError("ENODEV", "read");
      return kernel.logical(this.#number);
    }

    watch(listener: (error: Error | null, value: Level) => void): void {
      this.#listeners.push(listener);
      kernel.line(this.#number).notify = () => setImmediate(() => this.#epoll());
    }

    #epoll(): void {
      const value = this.readSync();
      if (this.#hears) for (const listener of this.#listeners) listener(null, value);
    }

    unwatchAll(): void {
      this.#listeners = [];
      kernel.line(this.#number).notify = undefined;
    }

    unexport(): void {
      this.unwatchAll();
      this.#open = false;
      kernel.unexport(this.#number);
    }
  };
}
