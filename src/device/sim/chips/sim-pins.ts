import type { LineValue } from "../../gpio.ts";

/** What the pins of a simulated expander are wired to, and who hears of their changes. */
export class SimPins {
  /** The electrical level of each pin as the chip drives it; undefined: it does not. */
  readonly #driven: (LineValue | undefined)[];
  readonly #outside: (LineValue | undefined)[];
  readonly history: [pin: number, level: LineValue][] = [];
  onChange: () => void = () => {};

  constructor(count: number) {
    this.#driven = Array.from({ length: count }, () => undefined);
    this.#outside = Array.from({ length: count }, () => undefined);
  }

  /** Holds a pin at a level from outside, as a wire would; undefined: lets go. */
  hold(pin: number, level: LineValue | undefined): void {
    this.#outside[pin] = level;
    this.onChange();
  }

  /** What the chip does with a pin. */
  drive(pin: number, level: LineValue | undefined): void {
    if (this.#driven[pin] === level) return;
    this.#driven[pin] = level;
    this.history.push([pin, this.level(pin)]);
  }

  /** A pin that nobody holds is high: every one of these chips has a pull-up, or floats there. */
  level(pin: number): LineValue {
    return this.#driven[pin] ?? this.#outside[pin] ?? 1;
  }

  /** All levels, bit n for pin n. */
  get word(): number {
    return this.#driven.reduce<number>((word, _, pin) => word | (this.level(pin) << pin), 0);
  }
}
