import type { Board } from "../board.ts";
import type { Clock } from "../clock.ts";
import type { Gpio, InputLine, LineId } from "../gpio.ts";
import { deviceAt, type I2cDevice } from "../i2c.ts";
import type { Pwm } from "../pwm.ts";
import { expanderLines } from "./lines.ts";
import { mcp23017 } from "./mcp23017.ts";
import { pca9685 } from "./pca9685.ts";
import { pcf857x } from "./pcf857x.ts";
import type { PortChip } from "./port-chip.ts";
import { EXPANDERS, type ExpanderSettings, SERVO_HZ } from "./settings.ts";
import { tca9555 } from "./tca9555.ts";

/** An expander with its bus found. */
export interface Expander extends ExpanderSettings {
  /** Absent: the board's user bus. */
  readonly i2cPath?: string;
}

export interface OpenExpander {
  readonly gpio?: Gpio<LineId>;
  readonly pwm?: Pwm;
}

const ports: Readonly<Record<string, (device: I2cDevice) => PortChip>> = {
  mcp23017,
  tca9555,
  pcf8574: (device) => pcf857x(device, 8),
  pcf8575: (device) => pcf857x(device, 16),
};

/** Nothing is sent to the chip before one of its pins is opened. */
export function openExpander(board: Board, name: string, expander: Expander, clock: Clock): OpenExpander {
  const { chip, address = EXPANDERS[chip].addresses[0]!, i2cPath, interrupt, poll, frequency } = expander;
  const device = deviceAt(board.i2c(i2cPath ?? board.defaultI2c), address);
  if (chip === "pca9685")
    return { pwm: pca9685(device, { name, frequencyHz: frequency ?? SERVO_HZ, clock }) };
  // Open drain and active low on all of these chips.
  const interruptLine = (): Promise<InputLine> =>
    board.gpio.input({ pin: interrupt!, bias: "up", edges: "falling" });
  const gpio = expanderLines({
    name,
    chip: ports[chip]!(device),
    clock,
    pollMs: poll,
    ...(interrupt !== undefined && { interrupt: interruptLine }),
  });
  return { gpio };
}
