import type { Pin } from "../gpio.ts";
import type { Subsystem } from "../kernel-chips.ts";
import type { Random } from "../random.ts";
import type { SimBoard } from "./board.ts";
import { simChips, simSerialChips, simSpiChips } from "./chips.ts";
import type { FreeingLines } from "./freeing.ts";

/** How a sensor hangs on the simulated board. */
export type Wire =
  | {
      readonly bus: "i2c";
      readonly devicePath: string;
      readonly address: number;
      /** Lines that the bus is wired to, which can free the chip. */
      readonly freeing?: FreeingLines;
    }
  | { readonly bus: "spi" | "serial"; readonly devicePath: string }
  | {
      readonly bus: "kernel";
      readonly subsystem: Subsystem;
      readonly place: string;
      readonly name: string;
      readonly i2c?: { readonly devicePath: string; readonly address: number };
      /** The field of each channel. */
      readonly channels: Readonly<Record<string, string>>;
    }
  | { readonly bus: "one_wire"; readonly id: string }
  | { readonly bus: "gpio"; readonly pin: Pin };

export interface Wiring {
  /** The sensor's id, which is also its place in the world. */
  readonly sensor: string;
  /** Its driver's name, which says which chip to simulate. */
  readonly driver: string;
  readonly wire: Wire;
}

/**
 * Puts the chip that a sensor's driver expects onto the simulated board. Returns false where there is none to put: the
 * sensor then reads what an unwired one does. A GPIO line needs no chip.
 */
export function attachSensor(board: SimBoard, { sensor, driver, wire }: Wiring, random: Random): boolean {
  if (wire.bus === "one_wire") board.oneWire.attach(wire.id, sensor);
  const { clock, world } = board;
  const site = { place: sensor, world, clock, random };
  switch (wire.bus) {
    case "i2c": {
      const chip = simChips.get(driver);
      if (chip) board.simBus(wire.devicePath).attach(wire.address, chip(site));
      return chip !== undefined;
    }
    case "spi": {
      const chip = simSpiChips.get(driver);
      if (chip) board.simSpi.attach(wire.devicePath, chip(site));
      return chip !== undefined;
    }
    case "serial": {
      const chip = simSerialChips.get(driver);
      if (chip) board.simSerial.attach(wire.devicePath, chip(site));
      return chip !== undefined;
    }
    case "kernel":
      board.chips.attach(wire);
      return true;
    default:
      return true;
  }
}
