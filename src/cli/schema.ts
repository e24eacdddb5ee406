import { parseArgs } from "node:util";
import { configJsonSchema } from "../config/json-schema.ts";
import { EXIT } from "./exit.ts";
import type { CliIo } from "./io.ts";

/** `fieldpost schema`: the JSON Schema of the configuration, for editors (yaml-language-server). */
export async function schema(args: string[], io: CliIo): Promise<number> {
  parseArgs({ args, options: {}, strict: true });
  io.stdout(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
  return EXIT.done;
}
