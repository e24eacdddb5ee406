import * as v from "valibot";
import { type ActuatorValue, isOnFor } from "../actuators/kind.ts";
import { actuatorValue } from "../actuators/settings.ts";
import { type Conflict, conflictsAmong } from "../rules/conflicts.ts";
import { forMembers, type Rule, type Wishes } from "../rules/rule.ts";
import { ruleEntries } from "../rules/settings.ts";
import { inWords } from "../rules/words.ts";
import { parseDurationMs } from "../schema/duration.ts";
import { ConditionReader, type OpenSchedule, type RuleContext, withoutPrototype } from "./conditions.ts";
import { describe } from "./explain.ts";
import { type Finding, wrongKey, wrongValue } from "./finding.ts";
import { isMap, parseItem } from "./item.ts";
import { nearest } from "./nearest.ts";
import { child, type Node, type Path } from "./tree.ts";

export interface ResolvedRules {
  readonly rules: readonly Rule[];
  readonly findings: readonly Finding[];
  /** Only where nothing is wrong. */
  warnings(): readonly Finding[];
}

export type ResolveRules = (raw: unknown, context: RuleContext) => ResolvedRules;

/** What checks the rules; what reads cron expressions is loaded only where there is one. */
export async function rulesResolver(root: Node): Promise<ResolveRules> {
  const list = child(root, "rules");
  const scheduled = list !== undefined && hasKey(list, "schedule");
  const openSchedule = scheduled ? (await import("../rules/calendar.ts")).openSchedule : undefined;
  return (raw, context) => resolveRules(raw, context, openSchedule);
}

function hasKey(node: Node, key: string): boolean {
  if (node.kind === "list") return node.items.some((item) => hasKey(item, key));
  if (node.kind !== "map") return false;
  return node.entries.has(key) || [...node.entries.values()].some((value) => hasKey(value, key));
}

function resolveRules(
  raw: unknown,
  context: RuleContext,
  openSchedule: OpenSchedule | undefined,
): ResolvedRules {
  if (!Array.isArray(raw)) {
    const findings = [wrongValue(["rules"], `expected a list, found ${describe(raw)}`)];
    return { rules: [], findings, warnings: () => [] };
  }
  const findings: Finding[] = [];
  const reader = new RuleReader(context, openSchedule, findings);
  const rules = raw.flatMap((item: unknown, at) => reader.rule(item, at) ?? []);
  const ids = rules.map(({ id }) => id);
  for (const [at, id] of ids.entries())
    if (ids.indexOf(id) < at)
      findings.push(wrongValue(["rules", at, "id"], `another of the rules is called "${id}" already`));
  return { rules, findings, warnings: () => warningsAmong(rules, context) };
}

/** Reads rules one by one and collects what is wrong with them. */
class RuleReader {
  readonly #context: RuleContext;
  readonly #conditions: ConditionReader;
  readonly #findings: Finding[];

  constructor(context: RuleContext, openSchedule: OpenSchedule | undefined, findings: Finding[]) {
    this.#context = context;
    this.#findings = findings;
    this.#conditions = new ConditionReader(context, openSchedule, findings);
  }

  rule(item: unknown, at: number): Rule | undefined {
    const path = ["rules", at];
    if (!isMap(item)) return this.#blame(wrongValue(path, `expected a map, found ${describe(item)}`));
    const { when: condition, ...rest } = item;
    const { output, findings } = parseItem(ruleEntries, withoutPrototype(rest), path);
    this.#findings.push(...findings.map((finding) => knowingWhen(finding)));
    if (!("when" in item))
      this.#blame({ path: [...path, "when"], target: "missing", message: 'missing key "when"' });
    const when = "when" in item ? this.#conditions.read(condition, [...path, "when"]) : undefined;
    const set = this.#wishes(item["set"], [...path, "set"]);
    const otherwise = this.#wishes(item["otherwise"], [...path, "otherwise"]);
    if (findings.length > 0 || !when) return undefined;
    if (Object.keys(set).length === 0)
      return this.#blame(wrongValue([...path, "set"], "names no actuator: the rule does nothing"));
    const {
      id = `rule-${at + 1}`,
      unknown,
      override,
    } = output as {
      id?: string;
      unknown: Rule["unknown"];
      override?: number;
    };
    return {
      id,
      when,
      words: inWords(when),
      set,
      otherwise,
      unknown,
      ...(override !== undefined && { overrideMs: override }),
    };
  }

  #blame(finding: Finding): undefined {
    this.#findings.push(finding);
    return undefined;
  }

  #wishes(raw: unknown, path: Path): Wishes {
    if (!isMap(raw)) return {};
    const wishes = Object.entries(raw).flatMap(([id, value]) => {
      const item = this.#context.actuators.find((each) => isMap(each.raw) && each.raw["id"] === id);
      if (!item) {
        const known = this.#context.actuators.flatMap(({ raw }) => (isMap(raw) ? [String(raw["id"])] : []));
        this.#blame(wrongKey([...path, id], `there is no actuator "${id}"`, nearest(id, known)));
        return [];
      }
      const wish = isMap(value) ? value : { set: value };
      const set = wish["set"] as ActuatorValue;
      const { config } = item.resolved;
      const at = isMap(value) ? [...path, id, "set"] : [...path, id];
      if (config && isValue(set) && !config.kind.accepts(set, config.options))
        this.#blame(wrongValue(at, `${config.kind.name} cannot be set to ${set}`));
      if (config && isValue(set) && wish["for"] !== undefined && !isOnFor(config.kind, set))
        this.#blame(wrongKey([...path, id, "for"], "for is only for a value that switches on"));
      return [[id, { set, ...durationOf(wish["for"]) }] as const];
    });
    return Object.fromEntries(wishes);
  }
}

/** An unknown key of a rule may have been meant as `when`, which is looked at apart. */
function knowingWhen(finding: Finding): Finding {
  const unknown = /^unknown key "(.*)"$/.exec(finding.message)?.[1];
  if (unknown === undefined || finding.suggestion !== undefined) return finding;
  return { ...finding, suggestion: nearest(unknown, ["when"]) };
}

function isValue(value: unknown): value is ActuatorValue {
  return v.is(actuatorValue(), value);
}

function durationOf(raw: unknown): { readonly forMs?: number } {
  const forMs = typeof raw === "string" ? parseDurationMs(raw) : undefined;
  return forMs === undefined ? {} : { forMs };
}

function warningsAmong(rules: readonly Rule[], { actuators }: RuleContext): Finding[] {
  const configs = new Map(
    actuators.flatMap(({ resolved }) =>
      resolved.config ? [[resolved.config.id, resolved.config] as const] : [],
    ),
  );
  const membersOf = (id: string) => {
    const config = configs.get(id);
    return config?.kind.name === "group" ? (config.options["members"] as readonly string[]) : undefined;
  };
  const single = rules.map((rule) => forMembers(rule, membersOf));
  const conflicts = conflictsAmong(single, {
    isOn: (id, value) => isOnFor(configs.get(id)!.kind, value),
    interlocked: (one, other) =>
      configs.get(one)!.interlock.includes(other) || configs.get(other)!.interlock.includes(one),
  });
  /** What the rule itself calls it: the actuator, or the group it is a member of. */
  const named = (wishes: Wishes, actuator: string) =>
    actuator in wishes
      ? actuator
      : (Object.keys(wishes).find((id) => membersOf(id)?.includes(actuator)) ?? actuator);
  return conflicts.map(({ rule, side, actuator, message }: Conflict) =>
    wrongKey(["rules", rule, side, named(rules[rule]![side], actuator)], message),
  );
}
