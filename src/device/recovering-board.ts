import type { Board } from "./board.ts";
import { type BusRecovery, type BusRecoverySettings, withBusRecovery } from "./bus-recovery.ts";
import type { Clock } from "./clock.ts";

/** By what `board.i2c` is asked for. */
export type RecoverySettings = Readonly<Record<string, BusRecoverySettings & { readonly device: string }>>;

/** A board whose buses do what they are wired for about chips that fail. Buses that are wired for nothing stay as they are. */
export function withRecovery(board: Board, buses: RecoverySettings, clock: Clock): Board {
  const wired = Object.values(buses).filter(({ recovery, power }) => recovery ?? power);
  if (wired.length === 0) return board;
  const open = new Map<string, BusRecovery>();
  return {
    ...board,
    i2c(devicePath) {
      const known = open.get(devicePath);
      if (known) return known.bus;
      const bus = board.i2c(devicePath);
      const settings = wired.find(({ device }) => device === devicePath);
      if (!settings) return bus;
      const recovering = withBusRecovery(bus, settings, board.gpio, clock);
      open.set(devicePath, recovering);
      return recovering.bus;
    },
    recoveries: () => Object.fromEntries([...open].map(([path, recovery]) => [path, recovery.counts()])),
  };
}
