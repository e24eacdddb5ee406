import type { Board } from "./board.ts";
import { type BusRecoverySettings, withBusRecovery } from "./bus-recovery.ts";
import type { Clock } from "./clock.ts";
import type { I2cBus } from "./i2c.ts";

/** By what `board.i2c` is asked for. */
export type RecoverySettings = Readonly<Record<string, BusRecoverySettings & { readonly device: string }>>;

interface OpenBus {
  readonly bus: I2cBus;
  counts(): Readonly<Record<string, number>>;
}

/**
 * A board whose buses do what they are wired for about chips that fail, and that counts what is done. Buses that are
 * wired for nothing stay as they are.
 */
export function withRecovery(board: Board, buses: RecoverySettings, clock: Clock): Board {
  const open = new Map<string, OpenBus>();

  function openBus(devicePath: string): OpenBus {
    const bus = board.i2c(devicePath);
    const reopened = () => (bus.reopened ? { reopened: bus.reopened() } : {});
    const settings = Object.values(buses).find(({ device }) => device === devicePath);
    if (!settings?.recovery && !settings?.power) return { bus, counts: reopened };
    const recovering = withBusRecovery(bus, settings, board.gpio, clock);
    return { bus: recovering.bus, counts: () => ({ ...reopened(), ...recovering.counts() }) };
  }

  return {
    ...board,
    i2c(devicePath) {
      const known = open.get(devicePath) ?? openBus(devicePath);
      open.set(devicePath, known);
      return known.bus;
    },
    recoveries() {
      const counted = [...open].map(([path, { counts }]) => [path, counts()] as const);
      return Object.fromEntries(counted.filter(([, counts]) => Object.keys(counts).length > 0));
    },
  };
}
