import type { Expander } from "../expanders/open.ts";
import { EXPANDERS } from "../expanders/settings.ts";
import type { SimBoard } from "./board.ts";
import { simMcp4725 } from "./chips/mcp4725.ts";
import { simPca9685 } from "./chips/pca9685.ts";
import { type SimPortChip, simMcp23017, simPcf857x, simTca9555 } from "./chips/port-chips.ts";

const ports: Readonly<Record<string, () => SimPortChip>> = {
  mcp23017: simMcp23017,
  tca9555: simTca9555,
  pcf8574: () => simPcf857x(8),
  pcf8575: () => simPcf857x(16),
};

/** Puts the chip of an expander onto the simulated board, its INT output on the line that it is wired to. */
export function attachExpander(board: SimBoard, { chip: name, address, i2cPath, interrupt }: Expander): void {
  const bus = board.simBus(i2cPath ?? board.defaultI2c);
  const at = address ?? EXPANDERS[name].addresses[0]!;
  if (name === "pca9685") {
    bus.attach(at, simPca9685());
    return;
  }
  const chip = ports[name]!();
  bus.attach(at, chip);
  if (interrupt === undefined) return;
  board.gpio.drive(interrupt, 1);
  chip.onInterrupt = (low) => board.gpio.drive(interrupt, low ? 0 : 1);
}

/** Puts the chip of an actuator that is one onto the simulated board. */
export function attachOutput(
  board: SimBoard,
  kind: string,
  { address, i2cPath }: { readonly address?: number; readonly i2cPath?: string },
): void {
  if (kind === "dac" && address !== undefined)
    board.simBus(i2cPath ?? board.defaultI2c).attach(address, simMcp4725());
}
