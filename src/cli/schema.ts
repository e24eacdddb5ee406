import { parseArgs } from "node:util";
import { loadActuatorKinds } from "../actuators/registry.ts";
import { loadSensorDrivers } from "../sensors/registry.ts";
import { CliError, EXIT } from "./exit.ts";
import type { CliIo } from "./io.ts";

/** `fieldpost schema`: the JSON Schema of the configuration, for editors (yaml-language-server). */
export async function schema(args: string[], io: CliIo): Promise<number> {
  parseArgs({ args, options: {}, strict: true });
  // A device edits no configurations: the bundle that goes there leaves this out.
  const { configJsonSchema } = await import("../config/json-schema.ts").catch((error: unknown) => {
    throw new CliError(
      EXIT.failed,
      "the schema is not installed here: try npx fieldpost schema on a laptop",
      {
        cause: error,
      },
    );
  });
  io.stdout(
    `${JSON.stringify(configJsonSchema(await loadSensorDrivers(), await loadActuatorKinds()), null, 2)}\n`,
  );
  return EXIT.done;
}
