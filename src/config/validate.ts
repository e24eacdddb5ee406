import * as v from "valibot";
import type { AnyActuatorKind } from "../actuators/kind.ts";
import { simulationSettings } from "../device/sim/settings.ts";
import { settings } from "../schema/settings.ts";
import { resolveActuator } from "./actuators.ts";
import { busesOf, checkBusLines } from "./bus-lines.ts";
import type { ActuatorConfig, Config, SensorConfig } from "./config.ts";
import { checkConvention } from "./convention.ts";
import { checkExpanders, expandersOf, withFrequency } from "./expanders.ts";
import { defaultWords, describe, explainIssues } from "./explain.ts";
import { checkFiles, withPathsFrom } from "./files.ts";
import { type Finding, wrongValue } from "./finding.ts";
import { headerBusWarnings } from "./header-buses.ts";
import { isMap, type Raw, type Resolved } from "./item.ts";
import { nearest } from "./nearest.ts";
import { refuseNotYet } from "./not-yet.ts";
import type { PresetRules } from "./preset.ts";
import type { ResolveRules } from "./rules.ts";
import { type Sections, sections } from "./sections.ts";
import { resolveSensor, type SensorContext } from "./sensors.ts";
import { checkSysfsLimits } from "./sysfs-limits.ts";
import { type Node, type Path, plain } from "./tree.ts";
import { warningsOf } from "./warnings.ts";
import {
  checkAddresses,
  checkDevices,
  checkFaults,
  checkGroups,
  checkIds,
  checkInterlocks,
  checkPins,
  type Item,
} from "./wiring.ts";

export interface ValidationContext extends Pick<SensorContext, "drivers" | "customDrivers"> {
  readonly kinds: ReadonlyMap<string, AnyActuatorKind>;
  /** The folder that relative paths start from. */
  readonly dir: string;
  readonly readFile: (path: string) => string;
  /** Absent where the configuration has no rules. */
  readonly resolveRules?: ResolveRules | undefined;
  /** Absent where the configuration names no preset. */
  readonly preset?: PresetRules | undefined;
}

export interface Validated {
  /** Absent where there are findings. */
  readonly config?: Config;
  readonly findings: readonly Finding[];
  readonly warnings: readonly Finding[];
}

const anything = v.optional(v.unknown());

const topLevel = settings({
  device: v.unknown(),
  mqtt: v.unknown(),
  telemetry: anything,
  buffer: anything,
  health: anything,
  commands: anything,
  location: anything,
  buses: anything,
  gpio: anything,
  expanders: anything,
  sensors: anything,
  actuators: anything,
  rules: anything,
  simulation: anything,
});

/** Everything that is wrong with a configuration, or the configuration. */
export function validate(root: Node, context: ValidationContext): Validated {
  const built = refuseNotYet(root);
  const raw = plain(built.root) as Raw;
  const { blocks, findings: wrongBlocks } = parseBlocks(raw);
  const { buses, telemetry } = blocks;
  const sensors = resolveList(raw, "sensors", (item, path) =>
    resolveSensor(item, path, { ...context, buses, telemetry }),
  );
  const actuators = resolveList(raw, "actuators", (item, path) =>
    resolveActuator(withFrequency(item, blocks), path, { ...context, buses }),
  );
  const expanders = expandersOf(raw["expanders"], blocks);
  const rules = context.resolveRules?.(raw["rules"], { sensors, actuators, location: blocks.location ?? {} });
  const users = [...sensors, ...actuators, ...expanders, ...busesOf(raw["buses"], buses)];
  const findings = [
    ...built.findings,
    ...explainIssues(v.safeParse(topLevel, raw).issues, raw, []),
    ...wrongBlocks,
    ...checkIsList(raw, "sensors"),
    ...checkIsList(raw, "actuators"),
    ...[...sensors, ...actuators].flatMap((item) => item.resolved.findings),
    ...checkIds(sensors),
    ...checkIds(actuators),
    ...checkPins(users),
    ...checkSysfsLimits(blocks.gpio, users),
    ...checkBusLines(buses),
    ...checkAddresses([...sensors, ...actuators, ...expanders]),
    ...checkExpanders(raw["expanders"], blocks, [...sensors, ...actuators]),
    ...checkDevices(sensors),
    ...checkInterlocks(actuators, (id) => nearest(id, idsOf(actuators))),
    ...checkGroups(actuators, (id) => nearest(id, idsOf(actuators))),
    ...checkFaults(raw["simulation"], sensors, (id) => nearest(id, idsOf(sensors))),
    ...checkFiles(blocks.mqtt, context),
    ...checkHomeAssistant(blocks),
    ...checkConvention(blocks, sensors, actuators),
    ...(context.preset?.findings(blocks, raw) ?? []),
    ...(rules?.findings ?? []),
  ];
  if (findings.length > 0) return { findings, warnings: [] };
  const config = {
    ...assemble(
      context.preset?.applied(blocks as Blocks, raw) ?? (blocks as Blocks),
      sensors,
      actuators,
      rules?.rules ?? [],
      context.dir,
    ),
    rules: rules?.rules ?? [],
  };
  return {
    config,
    findings,
    warnings: [
      ...warningsOf(config),
      ...headerBusWarnings(sensors, [...actuators, ...expanders]),
      ...(rules?.warnings() ?? []),
    ],
  };
}

const blockSchemas = { ...sections, simulation: v.optional(simulationSettings, {}) };

type Blocks = Sections & Pick<Config, "simulation">;

/** Parses each block by itself, so that one that is wrong leaves the others to be used. */
function parseBlocks(raw: Raw): { readonly blocks: Partial<Blocks>; readonly findings: readonly Finding[] } {
  const parsed = Object.entries(blockSchemas)
    .filter(([key, schema]) => key in raw || schema.type === "optional")
    .map(([key, schema]) => ({
      key,
      result: v.safeParse(schema as v.GenericSchema, raw[key], defaultWords),
    }));
  const right = parsed.flatMap(({ key, result }) => (result.success ? [[key, result.output]] : []));
  return {
    blocks: Object.fromEntries(right) as Partial<Blocks>,
    findings: parsed.flatMap(({ key, result }) => explainIssues(result.issues, raw[key], [key])),
  };
}

/** Home Assistant's templates read JSON. */
function checkHomeAssistant({ mqtt, telemetry }: Partial<Blocks>): Finding[] {
  if (mqtt?.home_assistant === undefined || telemetry === undefined || telemetry.encoding === "json")
    return [];
  // Home Assistant itself is refused there: one word is enough.
  if (mqtt.convention !== "fieldpost") return [];
  const message = `${telemetry.encoding} is not for Home Assistant, which reads JSON: leave out this or mqtt.home_assistant`;
  return [wrongValue(["telemetry", "encoding"], message)];
}

function resolveList<T>(
  raw: Raw,
  list: "sensors" | "actuators",
  resolve: (item: unknown, path: Path) => Resolved<T>,
): Item<T>[] {
  const items = raw[list];
  if (!Array.isArray(items)) return [];
  return items.map((item: unknown, index) => {
    const path = [list, index];
    return { list, path, raw: item, resolved: resolve(item, path) };
  });
}

function checkIsList(raw: Raw, key: string): Finding[] {
  if (!(key in raw) || Array.isArray(raw[key])) return [];
  return [wrongValue([key], `expected a list, found ${describe(raw[key])}`)];
}

function idsOf(items: readonly Item<unknown>[]): string[] {
  return items.flatMap(({ raw }) => (isMap(raw) && typeof raw["id"] === "string" ? [raw["id"]] : []));
}

function assemble(
  blocks: Blocks,
  sensors: readonly Item<SensorConfig>[],
  actuators: readonly Item<ActuatorConfig>[],
  rules: Config["rules"],
  dir: string,
): Config {
  const { client_id = blocks.device.id, topic_root = `fieldpost/${blocks.device.id}`, ...mqtt } = blocks.mqtt;
  return withPathsFrom(dir, {
    ...blocks,
    rules,
    mqtt: { ...mqtt, client_id, topic_root },
    sensors: sensors.flatMap(({ resolved }) => resolved.config ?? []),
    actuators: actuators.flatMap(({ resolved }) => resolved.config ?? []),
  });
}
