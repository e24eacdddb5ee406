import type { LineValue, Pin } from "../gpio.ts";
import type { SimGpio } from "./gpio.ts";
import type { SimI2cBus, SimI2cFault } from "./i2c.ts";

/** The lines beside a bus that can free its chips (configuration, `buses.i2c.<name>.recovery` and `.power`). */
export interface FreeingLines {
  readonly scl?: Pin;
  readonly power?: { readonly pin: Pin; readonly activeLow: boolean };
}

/** Faults that no waiting ends: a chip in the middle of a byte holds SDA, a chip that hangs knows no address. */
export type LastingFault = "stuck_until_clocked" | "hung_until_power_cycle";

/** What the bus sees of each. */
const SEEN: Readonly<Record<LastingFault, SimI2cFault>> = {
  stuck_until_clocked: "stuck",
  hung_until_power_cycle: "no_ack",
};

/** The rest of a byte and its acknowledge at most (UM10204 rev. 7, section 3.1.16). */
const CLOCKS = 9;

export function isLasting(fault: string): fault is LastingFault {
  return Object.hasOwn(SEEN, fault);
}

/** Makes the chip fail until its lines have done what frees it, or the bus is told to clear it; without the line, for good. */
export function failUntilFreed(
  {
    bus,
    address,
    gpio,
    lines = {},
  }: {
    readonly bus: SimI2cBus;
    readonly address: number;
    readonly gpio: SimGpio;
    readonly lines?: FreeingLines | undefined;
  },
  fault: LastingFault,
): void {
  const over = bus.fail(address, { fault: SEEN[fault] });
  const pin = fault === "stuck_until_clocked" ? lines.scl : lines.power?.pin;
  if (pin === undefined) return;
  const isFreed = fault === "stuck_until_clocked" ? clocked() : powerCycled(lines.power!.activeLow);
  const unwatch = gpio.watch(pin, (level) => {
    if (isFreed(level)) bus.clear(address);
  });
  over.addEventListener("abort", unwatch, { once: true });
}

function clocked(): (level: LineValue) => boolean {
  let clocks = 0;
  return (level) => level === 0 && ++clocks >= CLOCKS;
}

function powerCycled(activeLow: boolean): (level: LineValue) => boolean {
  const on = activeLow ? 0 : 1;
  let wasOff = false;
  return (level) => {
    if (level === on) return wasOff;
    wasOff = true;
    return false;
  };
}
