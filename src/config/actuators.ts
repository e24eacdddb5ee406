import type * as v from "valibot";
import { type ActuatorValue, type AnyActuatorKind, isOnFor } from "../actuators/kind.ts";
import { actuatorKindNames } from "../actuators/registry.ts";
import { actuatorEntries, commonActuatorEntries } from "../actuators/settings.ts";
import type { ActuatorConfig } from "./config.ts";
import { busPath } from "./expanders.ts";
import { describe } from "./explain.ts";
import { type Finding, wrongKey, wrongValue } from "./finding.ts";
import { explainLoosely, isMap, optionsOf, parseItem, type Raw, type Resolved, wrong } from "./item.ts";
import { nearest } from "./nearest.ts";
import type { Sections } from "./sections.ts";
import { checkBusName } from "./sensor-checks.ts";
import type { Path } from "./tree.ts";

type CommonActuatorSettings = v.InferOutput<v.StrictObjectSchema<typeof commonActuatorEntries, undefined>>;

export interface ActuatorContext {
  readonly kinds: ReadonlyMap<string, AnyActuatorKind>;
  /** Absent where that block is itself wrong. */
  readonly buses: Sections["buses"] | undefined;
}

/** Validates one actuator against the common keys together with its kind's. */
export function resolveActuator(
  item: unknown,
  path: Path,
  { kinds, buses }: ActuatorContext,
): Resolved<ActuatorConfig> {
  if (!isMap(item)) return wrong([wrongValue(path, `expected a map, found ${describe(item)}`)]);
  const name = item["driver"];
  const kind = typeof name === "string" ? kinds.get(name) : undefined;
  if (!kind) return wrong([...explainLoosely(commonActuatorEntries, item, path), ...unknownKind(name, path)]);
  if (kind.name === "group") return resolveGroup(kind, item, path);
  const { output, findings, blamed } = parseItem(actuatorEntries(kind), item, path);
  const { options, optionsFit } = optionsOf(kind.options, output, blamed);
  const all = [
    ...findings,
    ...(optionsFit ? checkValues(kind, options, output, path, blamed) : []),
    ...("bus" in output ? checkBusName(output["bus"], path, buses) : []),
    ...checkLimits(kind, output, path, blamed),
  ];
  const pins = optionsFit ? kind.pins(options) : [];
  if (all.length > 0) return { findings: all, pins };
  const { driver: _, ...common } = onlyCommon(output);
  const { bus, address } = options as { bus?: string; address?: number };
  if (bus === undefined) return { config: { ...common, kind, options }, findings: [], pins };
  const i2cPath = busPath(bus, buses);
  const placed = {
    bus,
    ...(address !== undefined && { address }),
    ...(i2cPath !== undefined && { i2cPath }),
  };
  const config = { ...common, ...placed, kind, options: { ...options, ...placed } };
  return { config, findings: [], pins };
}

/** A group has no rules of its own. */
function resolveGroup(kind: AnyActuatorKind, item: Raw, path: Path): Resolved<ActuatorConfig> {
  const { id, driver } = commonActuatorEntries;
  const { output, findings } = parseItem({ id, driver, ...kind.options }, item, path);
  const common = Object.keys(commonActuatorEntries);
  const misplaced = findings.map((finding) => {
    const key = String(finding.path[path.length]);
    if (!common.includes(key) || key in { id, driver }) return finding;
    return wrongKey(finding.path, `a group has no ${key}: each member has its own`);
  });
  if (misplaced.length > 0) return wrong(misplaced);
  const { members } = output as { readonly members: readonly string[] };
  const config = { ...NO_RULES, id: String(output["id"]), kind, options: { members } };
  return { config, findings: [], pins: [] };
}

const NO_RULES = {
  initial: "off",
  safe: "off",
  startup_delay: 0,
  restore: "initial",
  interlock: [] as string[],
} as const;

function unknownKind(name: unknown, path: Path): Finding[] {
  if (typeof name !== "string") return [];
  const message = `unknown driver "${name}"; "fieldpost drivers" lists them`;
  return [wrongValue([...path, "driver"], message, nearest(name, actuatorKindNames))];
}

function onlyCommon(output: Raw): CommonActuatorSettings {
  const keys = Object.keys(commonActuatorEntries);
  return Object.fromEntries(
    keys.filter((key) => output[key] !== undefined).map((key) => [key, output[key]]),
  ) as CommonActuatorSettings;
}

function checkValues(
  kind: AnyActuatorKind,
  options: Raw,
  output: Raw,
  path: Path,
  blamed: ReadonlySet<string | number | undefined>,
): Finding[] {
  return ["initial", "safe"]
    .filter((key) => !blamed.has(key) && !kind.accepts(output[key] as ActuatorValue, options))
    .map((key) => wrongValue([...path, key], `${kind.name} cannot be set to ${output[key]}`));
}

/** An actuator that must stay on longer than it may be on, or for ever when it is safe, could obey only one of the two. */
function checkLimits(
  kind: AnyActuatorKind,
  { min_on, max_on, budget, safe }: Raw,
  path: Path,
  blamed: ReadonlySet<string | number | undefined>,
): Finding[] {
  const findings: Finding[] = [];
  if (typeof min_on === "number" && typeof max_on === "number" && min_on > max_on)
    if (!blamed.has("min_on") && !blamed.has("max_on"))
      findings.push(wrongValue([...path, "min_on"], "must not be longer than max_on"));
  if (blamed.has("safe") || !isOnFor(kind, safe as ActuatorValue)) return findings;
  for (const [key, limit] of Object.entries({ max_on, budget }))
    if (limit !== undefined && !blamed.has(key))
      findings.push(wrongValue([...path, key], `contradicts safe: ${safe}, which has no end`));
  return findings;
}
