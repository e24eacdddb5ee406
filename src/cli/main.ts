import { messageOf } from "../log.ts";
import { CliError, EXIT } from "./exit.ts";
import { type CliIo, processIo } from "./io.ts";
import { run } from "./run.ts";
import { safe } from "./safe.ts";

declare const __FIELDPOST_VERSION__: string | undefined;

/** Set by the build; a run from source has none. */
export const version = typeof __FIELDPOST_VERSION__ === "string" ? __FIELDPOST_VERSION__ : "0.0.0-source";

/** Runs one command line. Returns the exit code; every error is one message on stderr. */
export async function main(argv: readonly string[], io: CliIo = processIo()): Promise<number> {
  const debug = argv.includes("--debug");
  try {
    return await dispatch(argv, io);
  } catch (error) {
    const known = error instanceof CliError || isParseArgsError(error);
    const message = messageOf(error);
    io.stderr(`fieldpost: ${message}\n`);
    if (debug && error instanceof Error) io.stderr(`${error.stack}\n`);
    else if (!known) io.stderr("(--debug shows where this happened)\n");
    if (error instanceof CliError) return error.exitCode;
    return isParseArgsError(error) ? EXIT.usage : EXIT.failed;
  }
}

/** What a service runs: it needs to know of no other command. */
const atHand: Readonly<Record<string, typeof run>> = { run, safe };

async function dispatch(argv: readonly string[], io: CliIo): Promise<number> {
  const [name, ...args] = argv;
  const asksForHelp = args.includes("--help") || args.includes("-h");
  const given = args.filter((arg) => arg !== "--debug");
  if (name !== undefined && Object.hasOwn(atHand, name) && !asksForHelp)
    return await atHand[name]!(given, io, version);
  if (name === "--version" || name === "-V" || name === "version") {
    io.stdout(`fieldpost ${version}\n`);
    return EXIT.done;
  }
  const { commands, overview, usageOf } = await import("./commands.ts");
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    const asked = commands.find((command) => command.name === args[0]);
    io.stdout(asked ? usageOf(asked) : overview());
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  const command = commands.find((command) => command.name === name);
  if (!command) {
    throw new CliError(EXIT.usage, `unknown command "${name}". "fieldpost --help" lists the commands.`);
  }
  if (asksForHelp) {
    io.stdout(usageOf(command));
    return EXIT.done;
  }
  return await command.run(given, io, version);
}

function isParseArgsError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === "string" && code.startsWith("ERR_PARSE_ARGS");
}
