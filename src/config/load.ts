import { dirname } from "node:path";
import { loadActuatorKinds } from "../actuators/registry.ts";
import type { AnySensorDriver } from "../sensors/driver.ts";
import { loadSensorDrivers } from "../sensors/registry.ts";
import { type Config, freezeDeep } from "./config.ts";
import { credentialsReader } from "./credentials.ts";
import { driversNamed, type ImportDriver, importCustomDrivers } from "./custom-drivers.ts";
import { inFileOrder, placeFindings } from "./finding.ts";
import { outputNames, outputsOnly, unresolvedIn, withoutWrong } from "./outputs-only.ts";
import type { Problem } from "./problem.ts";
import { openSource } from "./source.ts";
import { type SubstitutionSources, substitute } from "./substitute.ts";
import { child } from "./tree.ts";
import { validate } from "./validate.ts";
import { parseYaml } from "./yaml.ts";

/** What a configuration may depend on besides its text. */
export interface ConfigSources extends Omit<SubstitutionSources, "dir"> {
  /** The file's name as messages show it. */
  readonly file: string;
  /** The folder that relative paths in the file start from. Default: the file's own. */
  readonly dir?: string;
  /** Loads `driver: ./my-chip.js`. Without it such drivers are refused. */
  readonly importDriver?: ImportDriver;
  /** Besides the built-in ones. */
  readonly drivers?: readonly AnySensorDriver[];
}

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads a configuration: one typed, frozen {@link Config}, or everything that is wrong with it. Never rejects. */
export async function loadConfig(text: string, sources: ConfigSources): Promise<LoadResult> {
  const { file, dir = dirname(file), drivers = [] } = sources;
  const source = openSource(file, text.replace(/^\ufeff/, ""));
  const parsed = parseYaml(source);
  if (!parsed.root) return { ok: false, problems: inFileOrder(parsed.problems) };
  const { root, problems, secrets } = substitute(parsed.root, source, { ...sources, dir });
  const customDrivers = await importCustomDrivers(root, dir, sources.importDriver);
  const builtIn = await loadSensorDrivers(driversNamed(root, "sensors"));
  const { config, findings, warnings } = validate(root, {
    drivers: new Map([...builtIn, ...drivers.map((driver) => [driver.name, driver] as const)]),
    customDrivers,
    kinds: await loadActuatorKinds(driversNamed(root, "actuators")),
    dir,
    readFile: sources.readFile,
    preset: child(child(root, "mqtt") ?? root, "preset") && (await import("./preset.ts")).presetRules(root),
    resolveRules: child(root, "rules") && (await (await import("./rules.ts")).rulesResolver(root)),
  });
  const all = [...parsed.problems, ...problems, ...placeFindings(findings, root, source, secrets)];
  if (all.length > 0 || !config) return { ok: false, problems: inFileOrder(all) };
  const readCredentials = credentialsReader(parsed.root, source, { ...sources, dir });
  const { mqtt } = config;
  return {
    ok: true,
    config: freezeDeep({ ...config, mqtt: { ...mqtt, ...(readCredentials && { readCredentials }) } }),
    warnings: inFileOrder(placeFindings(warnings, root, source, secrets)),
  };
}

/** The outputs that a configuration describes, as far as they can be understood, and what is wrong with the others. */
export interface Outputs {
  /** Absent where the file as a whole cannot be read. */
  readonly config?: Config;
  readonly problems: readonly Problem[];
  /** The outputs that the file names and the configuration lacks, because they are wrong. */
  readonly leftOut: readonly string[];
}

/** Of two with one name, one may be there. */
function missing(named: readonly string[], there: readonly string[]): readonly string[] {
  const left = [...there];
  return named.filter((name) => {
    const at = left.indexOf(name);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

/** As often as what is wrong is taken out to look at the rest. */
const MAX_PASSES = 4;

/** Reads no more of a configuration than its outputs. Never rejects. */
export async function loadOutputs(text: string, sources: ConfigSources): Promise<Outputs> {
  const { file, dir = dirname(file), readFile } = sources;
  const source = openSource(file, text.replace(/^\ufeff/, ""));
  const parsed = parseYaml(source);
  if (!parsed.root) return { problems: inFileOrder(parsed.problems), leftOut: [] };
  const { root, problems, secrets } = substitute(outputsOnly(parsed.root), source, { ...sources, dir });
  const named = outputNames(root);
  const kinds = await loadActuatorKinds(driversNamed(root, "actuators"));
  const found = [...parsed.problems, ...problems];
  let rest = withoutWrong(root, unresolvedIn(root));
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const { config, findings } = validate(rest, {
      drivers: new Map(),
      customDrivers: new Map(),
      kinds,
      dir,
      readFile,
    });
    if (config) {
      const leftOut = missing(
        named,
        config.actuators.map(({ id }) => id),
      );
      return { config: freezeDeep(config), problems: inFileOrder(found), leftOut };
    }
    found.push(...placeFindings(findings, rest, source, secrets));
    rest = withoutWrong(rest, findings);
  }
  return { problems: inFileOrder(found), leftOut: named };
}
