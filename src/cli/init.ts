import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { nearest } from "../config/nearest.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { templates } from "./templates/index.ts";

/** `fieldpost init [--template NAME] [--force] [FILE]`: a commented starter configuration, to stdout without FILE. */
export async function init(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      template: { type: "string", default: "greenhouse" },
      force: { type: "boolean", default: false },
    },
    allowPositionals: true,
    strict: true,
  });
  const [file, ...others] = positionals;
  if (others.length > 0)
    throw wrongUsage("init takes one FILE at most: fieldpost init [--template NAME] [FILE]");
  const text = templates.get(values.template);
  if (text === undefined) throw wrongUsage(unknownTemplate(values.template));
  if (file === undefined) io.stdout(text);
  else await writeNew(file, text, values.force, io);
  return EXIT.done;
}

function unknownTemplate(name: string): string {
  const near = nearest(name, templates.keys());
  const hint = near === undefined ? "" : `; did you mean "${near}"?`;
  return `unknown template "${name}"${hint} There are ${[...templates.keys()].join(", ")}.`;
}

async function writeNew(file: string, text: string, force: boolean, io: CliIo): Promise<void> {
  try {
    await writeFile(resolve(io.cwd, file), text, { flag: force ? "w" : "wx" });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const message =
      code === "EEXIST" ? `${file} exists; --force overwrites it` : `cannot write ${file}: ${code}`;
    throw new CliError(EXIT.failed, message, { cause: error });
  }
  io.stderr(`wrote ${file}. Next: edit it, then "fieldpost check ${file}".\n`);
}
