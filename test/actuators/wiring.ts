import * as v from "valibot";
import { type Guard, type GuardParts, openGuard } from "../../src/actuators/guard.ts";
import type { AnyActuatorKind, OutputBoard } from "../../src/actuators/kind.ts";
import { type MemoryFile, openMemory } from "../../src/actuators/memory.ts";
import { loadActuatorKinds } from "../../src/actuators/registry.ts";
import type { ActuatorSettings } from "../../src/actuators/rules.ts";
import { actuatorEntries } from "../../src/actuators/settings.ts";
import type { Clock } from "../../src/device/clock.ts";
import { type Gpio, GpioError, type LineValue, type Pin } from "../../src/device/gpio.ts";
import { silentLog } from "../../src/log.ts";
import { settings } from "../../src/schema/settings.ts";

const actuatorKinds = await loadActuatorKinds();

/** Actuators of one kind as a configuration would give them. */
export function configuredOf(
  kind: AnyActuatorKind,
  list: readonly Readonly<Record<string, unknown>>[],
): ActuatorSettings[] {
  const schema = settings(actuatorEntries(kind));
  return list.map((entry) => v.parse(schema, { driver: kind.name, ...entry }) as ActuatorSettings);
}

/** Digital outputs as a configuration would give them. */
export function configured(list: readonly Record<string, unknown>[]): ActuatorSettings[] {
  return configuredOf(actuatorKinds.get("digital_output")!, list);
}

/** One attempt to move a line: what it was told, and whether the line refused. */
export interface Attempt {
  readonly pin: Pin;
  readonly value: LineValue;
  readonly atMs: number;
  readonly refused: boolean;
}

/** How a line refuses: the relay stays, or it moves although an error is reported. */
export type Refusing = "stays" | "moves";

/** Relays on lines that remember everything, can refuse, take time, and stay as they are when the process dies. */
export class RelayBoard {
  readonly loads = new Map<Pin, LineValue>();
  readonly attempts: Attempt[] = [];
  readonly refusing = new Map<Pin, Refusing>();
  writeMs = 0;
  readonly #hanging = new Map<Pin, AbortController>();
  onLoad: (pin: Pin, value: LineValue) => void = () => {};
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The GPIO as one process sees it: dead to that process once `dies` aborts. */
  gpio(dies: AbortSignal = new AbortController().signal): Gpio {
    const write = (pin: Pin, value: LineValue) => this.#write(pin, value, dies);
    return {
      input: () => Promise.reject(new GpioError("unsupported", "no inputs on this board")),
      outputs: () => Promise.reject(new GpioError("unsupported", "no groups on this board")),
      async output({ pin, initial }) {
        let told = initial;
        await write(pin, initial);
        return {
          async set(value) {
            await write(pin, value);
            told = value;
          },
          get: async () => told,
          close: async () => {},
        };
      },
    };
  }

  /** Writes to this line end only when it is released. */
  hang(pin: Pin): void {
    if (!this.#hanging.has(pin)) this.#hanging.set(pin, new AbortController());
  }

  release(pin: Pin): void {
    this.#hanging.get(pin)?.abort();
    this.#hanging.delete(pin);
  }

  async #write(pin: Pin, value: LineValue, dies: AbortSignal): Promise<void> {
    if (this.writeMs > 0) await this.#clock.sleep(this.writeMs);
    const hanging = this.#hanging.get(pin)?.signal;
    if (hanging) await new Promise((resolve) => hanging.addEventListener("abort", resolve, { once: true }));
    if (dies.aborted) return new Promise(() => {});
    const refusing = this.refusing.get(pin);
    this.attempts.push({ pin, value, atMs: this.#clock.monotonicMs(), refused: refusing !== undefined });
    if (refusing !== "stays" && this.loads.get(pin) !== value) {
      this.loads.set(pin, value);
      this.onLoad(pin, value);
    }
    if (refusing) throw new GpioError("io", "EIO");
  }
}

/** A memory that outlives the processes that use it. */
export function inMemory(): MemoryFile & { text: string | undefined } {
  return {
    text: undefined,
    async read() {
      return this.text;
    },
    async replace(text) {
      this.text = text;
    },
  };
}

export interface Wiring {
  readonly actuators: readonly ActuatorSettings[];
  readonly gpio: Gpio;
  readonly clock: Clock;
  readonly memoryFile?: MemoryFile;
  readonly onChange?: GuardParts["onChange"];
}

export async function openWired({
  actuators,
  gpio,
  clock,
  memoryFile = inMemory(),
  onChange = () => {},
}: Wiring): Promise<Guard> {
  const memory = await openMemory(memoryFile, clock, silentLog);
  return openGuard({
    actuators,
    kinds: actuatorKinds,
    board: outputBoard(gpio),
    clock,
    memory,
    log: silentLog,
    onChange,
  });
}

/** A board of GPIO lines and nothing else. */
export function outputBoard(gpio: Gpio): OutputBoard {
  return {
    gpio,
    pwm: { output: () => Promise.reject(new Error("no PWM on this board")) },
    defaultI2c: "/dev/i2c-1",
    i2c: () => {
      throw new Error("no I2C on this board");
    },
  };
}
