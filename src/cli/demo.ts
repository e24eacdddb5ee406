import { parseArgs } from "node:util";
import { parseDurationMs } from "../schema/duration.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";

export interface DemoOptions {
  /** Ends after so many; undefined: goes on. */
  readonly cycles: number | undefined;
  readonly seed: number;
  /** Of one cycle. */
  readonly periodMs: number;
}

/** `fieldpost demo`: stands in a bundle of its own, because a device has no use for a broker. */
export async function demo(args: string[], io: CliIo, version: string): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      cycles: { type: "string" },
      seed: { type: "string", default: "1" },
      period: { type: "string", default: "60s" },
    },
    strict: true,
  });
  const cycles = values.cycles === undefined ? undefined : wholeNumber("--cycles", values.cycles);
  const periodMs = parseDurationMs(values.period);
  if (periodMs === undefined || periodMs < 1_000)
    throw wrongUsage(`--period ${values.period}: expected 1s or longer`);
  const options: DemoOptions = { cycles, seed: wholeNumber("--seed", values.seed), periodMs };
  // Not a literal: the device bundle must not take the demo in.
  const bundle = new URL("./demo.js", import.meta.url).href;
  const { runDemo } = await import(bundle).catch((error: unknown) => {
    throw new CliError(
      EXIT.failed,
      "the demo is not installed here: try it on a laptop with npx fieldpost demo",
      {
        cause: error,
      },
    );
  });
  return runDemo(options, io, version);
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw wrongUsage(`${flag} ${text}: expected a whole number`);
  return value;
}
