import type { Config } from "../config/config.ts";
import { withBuses } from "../config/expanders.ts";
import type { Board } from "../device/board.ts";
import type { Clock } from "../device/clock.ts";
import { type OpenExpanderOn, withExpanders } from "../device/expanders/board.ts";
import { linuxBoard } from "../device/linux/board.ts";
import { withRecovery } from "../device/recovering-board.ts";
import type { SimulatedBoard } from "./simulated-board.ts";

/** The board that a node runs on. */
export interface BoardChoice {
  readonly board: Board;
  /** Only on the simulated board: the handles to change the world and to break things. */
  readonly simulated?: SimulatedBoard;
}

export type ChooseBoard = (config: Config, clock: Clock) => BoardChoice;

/** The real board or, in its place, the simulated one: everything behind it is the same code. */
export async function boardChooser(simulate: boolean): Promise<ChooseBoard> {
  return simulate ? (await import("./simulated-board.ts")).chooseSimulatedBoard : chooseRealBoard;
}

function chooseRealBoard(config: Config, clock: Clock): BoardChoice {
  const { backend, chip } = config.gpio;
  const board = linuxBoard({ clock, gpioBackend: backend, gpioChip: chip });
  const recovering = withRecovery(board, config.buses.i2c, clock);
  return { board: withExpanders(recovering, withBuses(config), clock, openLater) };
}

/** A node without expanders never loads their code. */
const openLater: OpenExpanderOn = async (...parts) =>
  (await import("../device/expanders/open.ts")).openExpander(...parts);
