import type { Clock } from "./clock.ts";
import type { Gpio, Pin } from "./gpio.ts";
import { type I2cBus, I2cError } from "./i2c.ts";
import { createLadder, type Remedy } from "./recovery-ladder.ts";

export interface BusRecoverySettings {
  /** Lines that are wired to the bus beside the adapter's own. */
  readonly recovery?: { readonly scl: Pin; readonly sda: Pin } | undefined;
  /** The line that switches the chips' supply. */
  readonly power?: { readonly pin: Pin; readonly active_low: boolean; readonly off_for: number } | undefined;
}

export interface BusRecovery {
  readonly bus: I2cBus;
  /** How often each remedy was used, and how often it could not be. */
  counts(): Readonly<Record<Remedy | "failed", number>>;
}

/** Nine clocks end any byte that a chip is in the middle of (UM10204 rev. 7, section 3.1.16). */
const PULSES = 9;

/** Half a clock: far below the 100 kHz of the standard mode, and what a timer can do. */
const HALF_CLOCK_MS = 1;

/** Said with the failure, so that whoever hears of it hears of the remedy. */
const DONE: Readonly<Record<Remedy, string>> = {
  clock_pulses: "the bus was clocked nine times",
  power_cycle: "the chips were switched off and on",
};

/** After power-on a chip has this long before it is spoken to. */
const SETTLE_MS = 100;

/** A bus that does what it is wired for about chips that fail. The failure is told all the same: its caller tries again. */
export function withBusRecovery(
  bus: I2cBus,
  { recovery, power }: BusRecoverySettings,
  gpio: Gpio,
  clock: Clock,
): BusRecovery {
  const ladder = createLadder({
    remedies: [
      ...(recovery ? (["clock_pulses"] as const) : []),
      ...(power ? (["power_cycle"] as const) : []),
    ],
  });
  const counts = { clock_pulses: 0, power_cycle: 0, failed: 0 };
  let supply: Promise<{ set(value: 0 | 1): Promise<void> }> | undefined;
  /** Transfers begun and not ended: on the wire, or in the queue for it. */
  const begun = new Set<Promise<unknown>>();
  let mending: Promise<void> | undefined;

  /** Held from the first transfer on: a line that is given back may switch the chips off. */
  function powered() {
    supply ??= gpio.output({ pin: power!.pin, activeLow: power!.active_low, initial: 1 });
    supply.catch(() => {
      supply = undefined;
    });
    return supply;
  }

  /**
   * Has the bus to itself: a chip that is spoken to beside the pulses would take them for its own. Those that have begun
   * are waited for, which their deadlines bound; the others wait for the end.
   */
  function mendAlone(remedy: Remedy): Promise<void> {
    const work = afterOthers(remedy, mending).finally(() => {
      if (mending === work) mending = undefined;
    });
    mending = work;
    return work;
  }

  async function afterOthers(remedy: Remedy, before: Promise<void> | undefined): Promise<void> {
    await before;
    await Promise.allSettled(begun);
    await mend(remedy);
  }

  async function mend(remedy: Remedy): Promise<void> {
    try {
      if (remedy === "clock_pulses") await clockPulses(gpio, recovery!, clock);
      else {
        const line = await powered();
        await line.set(0);
        await clock.sleep(power!.off_for);
        await line.set(1);
        await clock.sleep(SETTLE_MS);
      }
      counts[remedy]++;
    } catch {
      counts.failed++;
    }
  }

  async function carry(address: number, write: Uint8Array, readLength: number): Promise<Uint8Array> {
    // Whoever waited for one remedy may find that the next has become due.
    while (mending) await mending;
    const work = bus.transfer(address, write, readLength);
    begun.add(work);
    try {
      return await work;
    } finally {
      begun.delete(work);
    }
  }

  return {
    bus: {
      name: bus.name,
      async transfer(address, write, readLength) {
        if (power) await powered();
        try {
          const bytes = await carry(address, write, readLength);
          ladder.succeeded(address);
          return bytes;
        } catch (error) {
          const remedy =
            error instanceof I2cError ? ladder.failed(address, error.fault, clock.monotonicMs()) : undefined;
          if (remedy) {
            await mendAlone(remedy);
            throw new I2cError((error as I2cError).fault, `${(error as I2cError).message}; ${DONE[remedy]}`, {
              cause: error,
            });
          }
          throw error;
        }
      },
      close: () => bus.close(),
    },
    counts: () => ({ ...counts }),
  };
}

/** Clocks a bus until no chip holds SDA any more, then makes a stop condition. Never drives a line high. */
async function clockPulses(gpio: Gpio, { scl, sda }: { scl: Pin; sda: Pin }, clock: Clock): Promise<void> {
  const clockLine = await gpio.output({ pin: scl, initial: 1, drive: "open_drain" });
  try {
    for (let pulse = 0; pulse < PULSES; pulse++) {
      await clockLine.set(0);
      await clock.sleep(HALF_CLOCK_MS);
      await clockLine.set(1);
      await clock.sleep(HALF_CLOCK_MS);
    }
    const dataLine = await gpio.output({ pin: sda, initial: 0, drive: "open_drain" });
    try {
      await clock.sleep(HALF_CLOCK_MS);
      await dataLine.set(1);
    } finally {
      await dataLine.close();
    }
  } finally {
    await clockLine.close();
  }
}
