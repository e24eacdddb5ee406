import type { Config, SensorConfig } from "../config/config.ts";
import { withBuses } from "../config/expanders.ts";
import type { Board } from "../device/board.ts";
import type { Clock } from "../device/clock.ts";
import { withExpanders } from "../device/expanders/board.ts";
import { openExpander } from "../device/expanders/open.ts";
import { type Random, seededRandom } from "../device/random.ts";
import { withRecovery } from "../device/recovering-board.ts";
import { runActivity } from "../device/sim/activity.ts";
import { createSimBoard, type SimBoard } from "../device/sim/board.ts";
import { attachExpander, attachOutput } from "../device/sim/expanders.ts";
import { runFaults } from "../device/sim/faults.ts";
import type { FreeingLines } from "../device/sim/freeing.ts";
import { attachSensor, type Wire } from "../device/sim/wiring.ts";
import { World } from "../device/sim/world.ts";
import type { BoardChoice } from "./board.ts";

export interface SimulatedBoard {
  readonly board: SimBoard;
  /** How each sensor is wired, by sensor id. */
  readonly wires: ReadonlyMap<string, Wire>;
  /** Lets the configured world and faults happen until `signal` aborts. `askAgainMs`: see {@link runActivity}. */
  run(signal: AbortSignal, askAgainMs?: number): Promise<void>;
}

export function chooseSimulatedBoard(config: Config, clock: Clock): BoardChoice {
  const simulated = simulateBoard(config, clock);
  const board = withRecovery(simulated.board, config.buses.i2c, clock);
  return { board: withExpanders(board, withBuses(config), clock, openExpander), simulated };
}

/** A board with the chips that the configuration's sensors expect, in the world that its `simulation` describes. */
function simulateBoard(config: Config, clock: Clock): SimulatedBoard {
  const { seed, world: spec, faults } = config.simulation;
  const random = seededRandom(seed);
  const world = new World({ seed, clock, spec });
  const board = createSimBoard({ clock, random, world });
  const wires = new Map<string, Wire>();
  for (const sensor of config.sensors) attach(board, sensor, config.buses.i2c, wires, random);
  for (const { kind, ...place } of config.actuators) attachOutput(board, kind.name, place);
  for (const expander of Object.values(withBuses(config))) attachExpander(board, expander);
  return {
    board,
    wires,
    async run(signal, askAgainMs) {
      await Promise.all([
        runFaults(board, faults, wires, signal),
        runActivity(board, wires, signal, askAgainMs),
      ]);
    },
  };
}

function attach(
  board: SimBoard,
  sensor: SensorConfig,
  buses: Config["buses"]["i2c"],
  wires: Map<string, Wire>,
  random: Random,
): void {
  const wire = wireOf(board, sensor, buses);
  if (!wire) return;
  wires.set(sensor.id, wire);
  attachSensor(board, { sensor: sensor.id, driver: sensor.driver.name, wire }, random);
}

function wireOf(board: Board, sensor: SensorConfig, buses: Config["buses"]["i2c"]): Wire | undefined {
  const { id, driver, options, i2cPath, address, devicePath = "" } = sensor;
  switch (driver.bus) {
    case "i2c": {
      const bus = i2cPath ?? board.defaultI2c;
      return {
        bus: "i2c",
        devicePath: bus,
        address: address ?? driver.addresses[0]!,
        freeing: freeingLines(Object.values(buses).find(({ device }) => device === bus)),
      };
    }
    case "spi":
    case "serial":
      return { bus: driver.bus, devicePath };
    case "one_wire":
      return { bus: "one_wire", id: (options["wire_id"] as string | undefined) ?? simulatedId(id) };
    case "kernel":
      return {
        bus: "kernel",
        subsystem: driver.subsystem,
        place: id,
        name: (options["name"] as string | undefined) ?? "simulated",
        ...(address !== undefined && { i2c: { devicePath: i2cPath ?? board.defaultI2c, address } }),
        channels: driver.channels(options),
      };
    case "gpio":
      return { bus: "gpio", pin: driver.pins(options)[0]! };
    case "host":
      return undefined;
  }
}

function freeingLines({ recovery, power }: Partial<Config["buses"]["i2c"][string]> = {}): FreeingLines {
  return {
    ...(recovery && { scl: recovery.scl }),
    ...(power && { power: { pin: power.pin, activeLow: power.active_low } }),
  };
}

/** A thermometer that the configuration leaves unnamed gets an id of its own, the same each time. */
function simulatedId(sensor: string): string {
  const digits = [...sensor].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) >>> 0, 7);
  return `28-${digits.toString(16).padStart(12, "0")}`;
}
