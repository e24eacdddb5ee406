import type { Condition, ScheduleCondition } from "../rules/rule.ts";
import { conditionEntries, DAY_NAMES, groupEntries } from "../rules/settings.ts";
import { fieldsOf } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";
import type { ActuatorConfig, SensorConfig } from "./config.ts";
import { describe } from "./explain.ts";
import { type Finding, wrongKey, wrongValue } from "./finding.ts";
import { isMap, parseItem, type Raw } from "./item.ts";
import { nearest } from "./nearest.ts";
import type { Sections } from "./sections.ts";
import type { Path } from "./tree.ts";
import type { Item } from "./wiring.ts";

/** What rules refer to. */
export interface RuleContext {
  readonly sensors: readonly Item<SensorConfig>[];
  readonly actuators: readonly Item<ActuatorConfig>[];
  readonly location: Sections["location"];
}

/** Throws where the expression is none. */
export type OpenSchedule = (
  condition: ScheduleCondition,
  timeZone: string | undefined,
) => (wallMs: number) => { readonly truth: boolean; readonly untilMs: number };

/** Three missed readings are no accident; a sensor that is read often gets a minute. */
const MISSED_READINGS = 3;
const MIN_MAX_AGE_MS = 60_000;

const MAX_DEPTH = 8;

/** A time from which on every expression comes that ever does. */
const ANY_TIME_MS = Date.UTC(2024, 0, 1);

const CONDITION_EXPECTED = "expected a condition: sensor, from and until, schedule, sun, all, any or not";

interface ReadingOutput {
  readonly sensor: string;
  readonly above?: number;
  readonly below?: number;
  readonly hysteresis: number;
  readonly is?: boolean;
  readonly max_age?: number;
  readonly for: number;
}

/** Reads the conditions of rules and collects what is wrong with them. */
export class ConditionReader {
  readonly #context: RuleContext;
  readonly #openSchedule: OpenSchedule | undefined;
  readonly #findings: Finding[];

  constructor(context: RuleContext, openSchedule: OpenSchedule | undefined, findings: Finding[]) {
    this.#context = context;
    this.#openSchedule = openSchedule;
    this.#findings = findings;
  }

  /** The condition, or undefined where something is wrong with it. */
  read(raw: unknown, path: Path, depth = 1): Condition | undefined {
    if (!isMap(raw)) return this.#blame(wrongValue(path, `${CONDITION_EXPECTED}, found ${describe(raw)}`));
    if (depth > MAX_DEPTH)
      return this.#blame(wrongValue(path, `conditions within more than ${MAX_DEPTH} others`));
    for (const kind of ["all", "any", "not"] as const)
      if (kind in raw) return this.#group(kind, raw, path, depth);
    if ("schedule" in raw) return this.#schedule(raw, path);
    if ("sun" in raw) return this.#sun(raw, path);
    if ("from" in raw || "until" in raw) return this.#hours(raw, path);
    if ("sensor" in raw) return this.#sensor(raw, path);
    return this.#blame(wrongValue(path, CONDITION_EXPECTED));
  }

  #parse(entries: Parameters<typeof parseItem>[0], raw: Raw, path: Path): Raw | undefined {
    const { output, findings } = parseItem(entries, raw, path);
    this.#findings.push(...findings);
    return findings.length > 0 ? undefined : output;
  }

  #group(kind: "all" | "any" | "not", raw: Raw, path: Path, depth: number): Condition | undefined {
    const { [kind]: within, ...rest } = raw;
    const output = this.#parse(groupEntries, withoutPrototype(rest), path);
    const forMs = output?.["for"] as number | undefined;
    const at = [...path, kind];
    if (kind === "not") {
      const of = this.read(within, at, depth + 1);
      return of && forMs !== undefined ? { kind, of, forMs } : undefined;
    }
    if (Array.isArray(within) && within.length === 0)
      return this.#blame(wrongValue(at, "expected conditions: the list is empty"));
    if (!Array.isArray(within))
      return this.#blame(wrongValue(at, `expected a list of conditions, found ${describe(within)}`));
    const of = within.flatMap((each: unknown, index) => this.read(each, [...at, index], depth + 1) ?? []);
    return of.length === within.length && forMs !== undefined ? { kind, of, forMs } : undefined;
  }

  #schedule(raw: Raw, path: Path): Condition | undefined {
    const output = this.#parse(conditionEntries.schedule, raw, path);
    if (!output) return undefined;
    const { schedule: cron, lasts: lastsMs } = output as { schedule: string; lasts: number };
    const condition = { kind: "schedule", cron, lastsMs } as const;
    try {
      const ask = this.#openSchedule!(condition, this.#context.location.time_zone);
      const { truth, untilMs } = ask(ANY_TIME_MS);
      if (truth || Number.isFinite(untilMs)) return condition;
      return this.#blame(wrongValue([...path, "schedule"], "never comes"));
    } catch (error) {
      const why = (error as Error).message.replace(/^CronPattern: /, "");
      const message = `expected a cron expression such as "30 6 * * mon-fri": ${why}`;
      return this.#blame(wrongValue([...path, "schedule"], message));
    }
  }

  #sun(raw: Raw, path: Path): Condition | undefined {
    const output = this.#parse(conditionEntries.sun, raw, path);
    const { latitude, longitude } = this.#context.location;
    if (latitude === undefined || longitude === undefined)
      this.#blame(wrongKey([...path, "sun"], "needs location.latitude and location.longitude"));
    return output && { kind: "sun", up: output["sun"] === "up", elevation: output["elevation"] as number };
  }

  #hours(raw: Raw, path: Path): Condition | undefined {
    const output = this.#parse(conditionEntries.hours, raw, path);
    if (!output) return undefined;
    const { from, until, days } = output as {
      from: number;
      until: number;
      days?: readonly (typeof DAY_NAMES)[number][];
    };
    return { kind: "hours", from, until, ...(days && { days: days.map((day) => DAY_NAMES.indexOf(day)) }) };
  }

  #sensor(raw: Raw, path: Path): Condition | undefined {
    const id = raw["sensor"];
    const item = this.#context.sensors.find((each) => isMap(each.raw) && each.raw["id"] === id);
    if (!item && typeof id === "string") {
      const known = this.#context.sensors.flatMap(({ raw }) => (isMap(raw) ? [String(raw["id"])] : []));
      this.#blame(wrongValue([...path, "sensor"], `there is no sensor "${id}"`, nearest(id, known)));
    }
    const sensor = item?.resolved.config;
    const maxAgeMs = Math.max(MIN_MAX_AGE_MS, MISSED_READINGS * (sensor?.interval ?? 0));
    if ("missing" in raw || "stale" in raw) {
      const kind = "missing" in raw ? "missing" : "stale";
      const output = this.#parse(conditionEntries[kind], raw, path) as
        | { sensor: string; stale?: number; for: number }
        | undefined;
      return (
        output && {
          kind: "silence",
          sensor: output.sensor,
          ageMs: output.stale ?? maxAgeMs,
          forMs: output.for,
        }
      );
    }
    const output = this.#parse(conditionEntries.reading, raw, path);
    const field = sensor && this.#field(sensor, raw, path);
    if (!output || !this.#bounded(output, path) || field === undefined) return undefined;
    const { for: forMs, max_age, ...rest } = output as unknown as ReadingOutput;
    return { ...rest, kind: "reading", field, maxAgeMs: max_age ?? maxAgeMs, forMs };
  }

  /** The field that a condition looks at: the only one there is, where it does not say. */
  #field(sensor: SensorConfig, raw: Raw, path: Path): string | undefined {
    const fields = Object.keys(filteredFields(fieldsOf(sensor.driver, sensor.options), sensor.filters));
    const field = raw["field"] ?? (fields.length === 1 ? fields[0] : undefined);
    if (field === undefined)
      return this.#blame({
        path: [...path, "field"],
        target: "missing",
        message: `missing key "field": ${sensor.id} has ${fields.join(", ")}`,
      });
    if (typeof field !== "string" || fields.includes(field)) return String(field);
    const message = `${sensor.id} has no field "${field}"; it has ${fields.join(", ")}`;
    return this.#blame(wrongValue([...path, "field"], message, nearest(field, fields)));
  }

  #bounded({ above, below, is, hysteresis }: Raw, path: Path): boolean {
    const numeric = above !== undefined || below !== undefined;
    const blame = (finding: Finding) => this.#blame(finding) ?? false;
    if (!numeric && is === undefined)
      return blame(wrongValue(path, "expected above, below, is, missing or stale beside sensor"));
    if (numeric && is !== undefined)
      return blame(wrongKey([...path, "is"], "is for true and false; above and below are for numbers"));
    if (above !== undefined && above === below)
      return blame(wrongValue([...path, "below"], "must not be the same as above"));
    const latch = above !== undefined && below !== undefined && (above as number) > (below as number);
    if (latch && (hysteresis as number) > 0)
      return blame(wrongKey([...path, "hysteresis"], "above and below say already when it ends"));
    return true;
  }

  #blame(finding: Finding): undefined {
    this.#findings.push(finding);
    return undefined;
  }
}

/** Keys are looked up: a key called `__proto__` is one like any other. */
export function withoutPrototype(raw: Raw): Raw {
  return Object.assign(Object.create(null), raw) as Raw;
}
