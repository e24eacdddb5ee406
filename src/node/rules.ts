import type { Guard } from "../actuators/guard.ts";
import type { Config } from "../config/config.ts";
import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { RuleEngine } from "../rules/engine.ts";
import { usesWallTime } from "../rules/rule.ts";

export interface RuleSurroundings {
  readonly guard: Guard;
  readonly clock: Clock;
  readonly log: Log;
}

/** The rules of a configuration; undefined where it has none. What no rule needs is not loaded. */
export async function openRules(
  config: Config,
  surroundings: RuleSurroundings,
): Promise<RuleEngine | undefined> {
  const { rules, location } = config;
  const parts = await loadRules(config);
  if (!parts) return undefined;
  const calendar = parts.calendar?.createCalendar({
    timeZone: location.time_zone,
    latitude: location.latitude,
    longitude: location.longitude,
  });
  return parts.engine.createRuleEngine({ ...surroundings, rules, calendar });
}

/** The parts of the program that the rules of a configuration need. */
export async function loadRules({ rules }: Config) {
  if (rules.length === 0) return undefined;
  return {
    engine: await import("../rules/engine.ts"),
    calendar: rules.some(usesWallTime) ? await import("../rules/calendar.ts") : undefined,
  };
}
