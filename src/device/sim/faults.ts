import type { SimBoard } from "./board.ts";
import { failUntilFreed, isLasting } from "./freeing.ts";
import type { SimI2cFault } from "./i2c.ts";
import type { SimKernelChipFault } from "./kernel-chips.ts";
import type { OneWireSimFault } from "./one-wire.ts";
import type { SimSerialFault } from "./serial.ts";
import { FAULTS, type FaultName, type FaultSettings } from "./settings.ts";
import type { SimSpiFault } from "./spi.ts";
import type { Wire } from "./wiring.ts";

/** Whether a sensor on this kind of wire can have this fault. */
function faultFits(fault: FaultName, wire: Wire): boolean {
  return (FAULTS[wire.bus] as readonly FaultName[]).includes(fault);
}

/** Makes what hangs on `wire` fail, or mends it (`undefined`). Throws where such a wire cannot have such a fault. */
export function applyFault(board: SimBoard, wire: Wire, fault: FaultName | undefined): void {
  if (fault !== undefined && !faultFits(fault, wire)) {
    throw new RangeError(`"${fault}" cannot happen on ${wire.bus}; it can be ${FAULTS[wire.bus].join(", ")}`);
  }
  switch (wire.bus) {
    case "i2c": {
      const { address, freeing } = wire;
      const bus = board.simBus(wire.devicePath);
      if (fault === undefined) bus.clear(address);
      else if (isLasting(fault)) failUntilFreed({ bus, address, gpio: board.gpio, lines: freeing }, fault);
      else bus.fail(address, { fault: fault as SimI2cFault });
      break;
    }
    case "spi":
      board.simSpi.fail(wire.devicePath, fault as SimSpiFault | undefined);
      break;
    case "serial":
      board.simSerial.fail(wire.devicePath, fault as SimSerialFault | undefined);
      break;
    case "kernel":
      board.chips.fail(wire.place, fault as SimKernelChipFault | undefined);
      break;
    case "one_wire":
      board.oneWire.fail(wire.id, fault as OneWireSimFault | undefined);
      break;
    case "gpio":
      board.gpio.stickAt(wire.pin, fault === undefined ? undefined : fault === "stuck_high" ? 1 : 0);
  }
}

/**
 * Lets the faults of a configuration strike and go at their times, counted from this call, until `signal` aborts.
 * `wires` by sensor id. Rejects at once where a fault names no wired sensor or cannot happen to it.
 */
export async function runFaults(
  board: SimBoard,
  faults: readonly FaultSettings[],
  wires: ReadonlyMap<string, Wire>,
  signal: AbortSignal,
): Promise<void> {
  const planned = faults.map((fault) => ({ fault, wire: wireOf(fault, wires) }));
  await Promise.all(planned.map(({ fault, wire }) => runFault(board, fault, wire, signal)));
}

function wireOf({ sensor, fault }: FaultSettings, wires: ReadonlyMap<string, Wire>): Wire {
  const wire = wires.get(sensor);
  if (!wire) throw new RangeError(`simulation.faults: no sensor "${sensor}" on the simulated board`);
  if (!faultFits(fault, wire)) {
    throw new RangeError(`simulation.faults: "${fault}" cannot happen to "${sensor}" on ${wire.bus}`);
  }
  return wire;
}

async function runFault(
  board: SimBoard,
  { fault, after: afterMs, for: lastsMs, every: everyMs }: FaultSettings,
  wire: Wire,
  signal: AbortSignal,
): Promise<void> {
  await board.clock.sleep(afterMs, signal);
  while (!signal.aborted) {
    applyFault(board, wire, fault);
    if (lastsMs === undefined) return;
    await board.clock.sleep(lastsMs, signal);
    applyFault(board, wire, undefined);
    if (everyMs === undefined) return;
    await board.clock.sleep(everyMs - lastsMs, signal);
  }
}
