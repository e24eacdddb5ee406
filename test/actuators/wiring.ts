import * as v from "valibot";
import { type Guard, type GuardParts, openGuard } from "../../src/actuators/guard.ts";
import { type LeaseFile, openLeases } from "../../src/actuators/leases.ts";
import { loadActuatorKinds } from "../../src/actuators/registry.ts";
import type { ActuatorSettings } from "../../src/actuators/rules.ts";
import { commonActuatorEntries } from "../../src/actuators/settings.ts";
import type { Clock } from "../../src/device/clock.ts";
import { type Gpio, GpioError, type LineValue, type Pin } from "../../src/device/gpio.ts";
import { silentLog } from "../../src/log.ts";
import { settings } from "../../src/schema/settings.ts";

const actuatorKinds = await loadActuatorKinds();

/** Actuators as a configuration would give them. */
export function configured(list: readonly Record<string, unknown>[]): ActuatorSettings[] {
  return list.map((entry) => {
    const kind = actuatorKinds.get("digital_output")!;
    const schema = settings({ ...commonActuatorEntries, ...kind.options });
    return v.parse(schema, { driver: "digital_output", ...entry }) as ActuatorSettings;
  });
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

  async #write(pin: Pin, value: LineValue, dies: AbortSignal): Promise<void> {
    if (this.writeMs > 0) await this.#clock.sleep(this.writeMs);
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

/** A lease file that outlives the processes that use it. */
export function memoryLeaseFile(): LeaseFile & { text: string | undefined } {
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
  readonly leaseFile?: LeaseFile;
  readonly onChange?: GuardParts["onChange"];
}

export async function openWired({
  actuators,
  gpio,
  clock,
  leaseFile = memoryLeaseFile(),
  onChange = () => {},
}: Wiring): Promise<Guard> {
  const leases = await openLeases(leaseFile, clock, silentLog);
  return openGuard({ actuators, kinds: actuatorKinds, gpio, clock, leases, log: silentLog, onChange });
}
