import type { AnySensorDriver } from "../sensors/driver.ts";
import { pathFrom } from "./files.ts";
import { child, type Node } from "./tree.ts";

/** Loads a user's driver file; resolves with the module as `import()` does. */
export type ImportDriver = (path: string) => Promise<unknown>;

/** By what the configuration has behind `driver:`; a text says why the file cannot be used. */
export type CustomDrivers = ReadonlyMap<string, AnySensorDriver | string>;

/** Whether `driver:` names a file rather than a built-in driver. */
export function isDriverPath(name: string): boolean {
  return /^\.{0,2}\//.test(name);
}

/** Every text behind `driver:` in a list of sensors or actuators. */
export function driversNamed(root: Node, list: "sensors" | "actuators"): readonly string[] {
  const named = child(root, list);
  const items = named?.kind === "list" ? named.items : [];
  return items.flatMap((item) => {
    const driver = child(item, "driver");
    const name = driver?.kind === "scalar" && !driver.unresolved ? driver.value : undefined;
    return typeof name === "string" ? [name] : [];
  });
}

/** Loads every driver file that the sensors name, each once. Never rejects. */
export async function importCustomDrivers(
  root: Node,
  dir: string,
  importDriver: ImportDriver | undefined,
): Promise<CustomDrivers> {
  const loaded = new Map<string, AnySensorDriver | string>();
  for (const name of new Set(driversNamed(root, "sensors").filter(isDriverPath))) {
    if (importDriver === undefined) loaded.set(name, NOT_HERE);
    else {
      // Few nodes have one.
      const { loadDriverFile } = await import("./driver-file.ts");
      loaded.set(name, await loadDriverFile(name, pathFrom(dir, name), importDriver));
    }
  }
  return loaded;
}

const NOT_HERE = "driver files cannot be loaded here";
