import type { Clock } from "../clock.ts";
import { seededRandom } from "../random.ts";

/** How a quantity behaves: around `mean`, a sine of amplitude `swing` and of `period` ms, and smooth noise up to `noise`. */
export interface Behaviour {
  readonly mean: number;
  readonly swing?: number | undefined;
  /** Milliseconds; default: a day. */
  readonly period?: number | undefined;
  readonly noise?: number | undefined;
}

/** By `<sensor id>.<quantity>` or, for every sensor, by `<quantity>`. */
export type WorldSpec = Readonly<Record<string, number | Behaviour>>;

/** A quantity under a test's control: a constant or a function of monotonic time. */
export type WorldValue = number | ((monotonicMs: number) => number);

export interface WorldOptions {
  readonly seed: number;
  readonly clock: Clock;
  readonly spec?: WorldSpec;
}

const DAY_MS = 86_400_000;

/** Time over which the noise forgets its value, milliseconds: a draught, a cloud. */
const NOISE_STEP_MS = 60_000;

/** A mild day in a greenhouse on a healthy board. Units are those of the contract, section 4. */
const ORDINARY: WorldSpec = {
  temperature: { mean: 21, swing: 5, noise: 0.3 },
  humidity: { mean: 50, swing: -10, noise: 1 },
  pressure: { mean: 1013.25, swing: 4, period: 3 * DAY_MS, noise: 0.2 },
  illuminance: { mean: 8_000, swing: 7_500, noise: 400 },
  voltage: { mean: 1.65, swing: 0.4, noise: 0.01 },
  ch0: { mean: 1.65, swing: 0.4, noise: 0.01 },
  ch1: { mean: 0.8, swing: 0.1, noise: 0.01 },
  cold_junction_temperature: { mean: 24, swing: 4, noise: 0.3 },
  a0: { mean: 1.65, swing: 0.4, noise: 0.01 },
  a1: { mean: 0.8, swing: 0.1, noise: 0.01 },
  a2: { mean: 0.4, swing: 0.1, noise: 0.01 },
  a3: { mean: 0.2, swing: 0.05, noise: 0.01 },
  current: { mean: 0.35, swing: 0.1, noise: 0.02 },
  power: { mean: 1.75, swing: 0.5, noise: 0.1 },
  carbon_dioxide: { mean: 650, swing: 200, noise: 30 },
  pm1: { mean: 4, swing: 1, noise: 1 },
  pm2_5: { mean: 7, swing: 2, noise: 2 },
  pm10: { mean: 10, swing: 3, noise: 3 },
  distance: { mean: 1_200, swing: 100, noise: 5 },
  cpu_temperature: { mean: 48, swing: 4, noise: 2 },
  load1: { mean: 0.15, swing: 0.05, noise: 0.1 },
  memory_available: { mean: 600e6, swing: 20e6, noise: 20e6 },
  disk_available: 12e9,
  signal: { mean: -61, swing: 4, noise: 3 },
  throttled: 0,
};

/**
 * The physical quantities around the simulated board. A pure function of the seed, the specification and monotonic
 * time, apart from what {@link World.set} overrules: reading it never changes it.
 */
export class World {
  readonly #seed: number;
  readonly #clock: Clock;
  readonly #spec: WorldSpec;
  readonly #set = new Map<string, WorldValue>();

  constructor({ seed, clock, spec = {} }: WorldOptions) {
    this.#seed = seed;
    this.#clock = clock;
    this.#spec = spec;
  }

  /** The quantity at a place (a sensor's id), in the contract's unit for it. Zero where nothing is known of it. */
  get(place: string, quantity: string): number {
    const nowMs = this.#clock.monotonicMs();
    for (const key of [`${place}.${quantity}`, quantity]) {
      const value = this.#set.get(key);
      if (value !== undefined) return typeof value === "number" ? value : value(nowMs);
      const behaviour = this.#spec[key];
      if (behaviour !== undefined) return this.#behave(behaviour, `${place}.${quantity}`, nowMs);
    }
    return this.#behave(ORDINARY[quantity] ?? 0, `${place}.${quantity}`, nowMs);
  }

  /** Overrules the specification from now on. `key` as in {@link WorldSpec}. */
  set(key: string, value: WorldValue): void {
    this.#set.set(key, value);
  }

  #behave(behaviour: number | Behaviour, key: string, nowMs: number): number {
    if (typeof behaviour === "number") return behaviour;
    const { mean, swing = 0, period = DAY_MS, noise = 0 } = behaviour;
    const sine = swing * Math.sin((2 * Math.PI * nowMs) / period);
    return mean + sine + noise * smoothNoise(this.#seed ^ hash(key), nowMs / NOISE_STEP_MS);
  }
}

/** Value noise in -1..1: a random value at each whole `position`, joined by half a cosine. */
function smoothNoise(seed: number, position: number): number {
  const step = Math.floor(position);
  const blend = (1 - Math.cos(Math.PI * (position - step))) / 2;
  return valueAt(seed, step) * (1 - blend) + valueAt(seed, step + 1) * blend;
}

function valueAt(seed: number, step: number): number {
  return 2 * seededRandom(seed ^ Math.imul(step, 0x9e3779b1))() - 1;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (const char of text) sum = Math.imul(sum ^ char.charCodeAt(0), 0x01000193);
  return sum >>> 0;
}
