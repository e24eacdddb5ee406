import { parseArgs } from "node:util";
import type { Config } from "../config/config.ts";
import type { Board } from "../device/board.ts";
import type { Clock } from "../device/clock.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { boardChooser } from "../node/board.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { EXIT } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { table } from "./table.ts";

/** What a check found. One line for people. */
export interface Diagnosis {
  /** What was looked at: `sensor air`, `group i2c`. */
  readonly what: string;
  readonly verdict: "ok" | "warning" | "failed";
  readonly found: string;
  /** How to mend it. */
  readonly fix?: string;
}

export interface Patient {
  readonly config: Config;
  readonly board: Board;
  readonly clock: Clock;
  readonly simulated: boolean;
}

/** One area's checks. Never rejects: what cannot be looked at is a diagnosis too. */
export type Check = (patient: Patient) => Promise<readonly Diagnosis[]>;

/** One file an area. */
const CHECKS: readonly (() => Promise<Check>)[] = [
  async () => (await import("./doctor-machine.ts")).checkMachine,
  async () => (await import("./doctor-board.ts")).checkBoard,
];

/** `fieldpost doctor [--config FILE] [--simulate] [--json]`: what would keep the node from working, and how to mend it. */
export async function doctor(args: string[], io: CliIo): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      simulate: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
    strict: true,
  });
  const config = await loadOrExplain(values.config, io);
  if (!config) return EXIT.config;
  const clock = linuxClock();
  const { board } = (await boardChooser(values.simulate))(config, clock);
  const diagnoses: Diagnosis[] = [];
  try {
    for (const load of CHECKS) {
      const check = await load();
      diagnoses.push(...(await check({ config, board, clock, simulated: values.simulate })));
    }
  } finally {
    await board.close();
  }
  io.stdout(values.json ? `${JSON.stringify(diagnoses, null, 2)}\n` : asText(diagnoses));
  return diagnoses.some(({ verdict }) => verdict === "failed") ? EXIT.failed : EXIT.done;
}

function asText(diagnoses: readonly Diagnosis[]): string {
  return table(
    diagnoses.map(({ what, verdict, found, fix }) => [
      verdict,
      what,
      fix === undefined ? found : `${found}: ${fix}`,
    ]),
  );
}
