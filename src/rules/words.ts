import { formatDurationMs } from "../schema/duration.ts";
import type { Condition, HoursCondition, ReadingCondition } from "./rule.ts";
import { DAY_NAMES } from "./settings.ts";

/** A condition for people: `air.temperature above 30 until below 28, for 1m`. */
export function inWords(condition: Condition): string {
  const text = bare(condition);
  const forMs = "forMs" in condition ? condition.forMs : 0;
  return forMs === 0 ? text : `${text}, for ${formatDurationMs(forMs)}`;
}

function bare(condition: Condition): string {
  switch (condition.kind) {
    case "reading":
      return reading(condition);
    case "silence":
      return `${condition.sensor} silent for ${formatDurationMs(condition.ageMs)}`;
    case "all":
    case "any":
      return condition.of.map(within).join(condition.kind === "all" ? " and " : " or ");
    case "not":
      return `not ${within(condition.of)}`;
    case "hours":
      return hours(condition);
    case "schedule":
      return `schedule "${condition.cron}" for ${formatDurationMs(condition.lastsMs)}`;
    case "sun":
      return `sun ${condition.up ? "above" : "below"} ${condition.elevation === 0 ? "the horizon" : `${condition.elevation}°`}`;
  }
}

function within(condition: Condition): string {
  const text = inWords(condition);
  return condition.kind === "all" || condition.kind === "any" || text.includes(",") ? `(${text})` : text;
}

function reading({ sensor, field, above, below, hysteresis, is }: ReadingCondition): string {
  const name = `${sensor}.${field}`;
  if (is !== undefined) return `${name} is ${is}`;
  const slack = hysteresis === 0 ? "" : ` ± ${hysteresis}`;
  if (above === undefined) return `${name} below ${below}${slack}`;
  if (below === undefined) return `${name} above ${above}${slack}`;
  return above > below
    ? `${name} above ${above} until below ${below}`
    : `${name} between ${above} and ${below}${slack}`;
}

function hours({ from, until, days }: HoursCondition): string {
  const on = days ? ` on ${days.map((day) => DAY_NAMES[day]).join(", ")}` : "";
  return `${timeOfDay(from)} to ${timeOfDay(until)}${on}`;
}

function timeOfDay(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}
