import { type Command, commands } from "./commands.ts";
import { CliError, EXIT } from "./exit.ts";
import { type CliIo, processIo } from "./io.ts";

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
    const message = error instanceof Error ? error.message : String(error);
    io.stderr(`fieldpost: ${message}\n`);
    if (debug && error instanceof Error) io.stderr(`${error.stack}\n`);
    else if (!known) io.stderr("(--debug shows where this happened)\n");
    if (error instanceof CliError) return error.exitCode;
    return isParseArgsError(error) ? EXIT.usage : EXIT.failed;
  }
}

async function dispatch(argv: readonly string[], io: CliIo): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    const asked = commands.find((command) => command.name === args[0]);
    io.stdout(asked ? usageOf(asked) : overview());
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  if (name === "--version" || name === "-V" || name === "version") {
    io.stdout(`fieldpost ${version}\n`);
    return EXIT.done;
  }
  const command = commands.find((command) => command.name === name);
  if (!command) {
    throw new CliError(EXIT.usage, `unknown command "${name}". "fieldpost --help" lists the commands.`);
  }
  if (args.includes("--help") || args.includes("-h")) {
    io.stdout(usageOf(command));
    return EXIT.done;
  }
  return await command.run(
    args.filter((arg) => arg !== "--debug"),
    io,
    version,
  );
}

function overview(): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const lines = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return [
    "fieldpost - an unattended MQTT telemetry node that loses nothing",
    "",
    "usage: fieldpost COMMAND [OPTIONS]",
    "",
    ...lines,
    "",
    '"fieldpost COMMAND --help" tells more. --debug adds stack traces to errors.',
    "Exit codes: 0 done, 1 failed while running, 64 wrong usage, 78 wrong config.",
    "",
  ].join("\n");
}

function usageOf(command: Command): string {
  return `usage: fieldpost ${command.name} ${command.synopsis}\n\n${command.summary}.\n${command.details ?? ""}`;
}

function isParseArgsError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === "string" && code.startsWith("ERR_PARSE_ARGS");
}
