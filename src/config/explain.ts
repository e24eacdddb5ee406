import type * as v from "valibot";
import { parseDurationMs } from "../schema/duration.ts";
import type { Finding } from "./finding.ts";
import { nearest } from "./nearest.ts";
import type { Path } from "./tree.ts";

type Issue = v.BaseIssue<unknown>;

/** Longer texts are cut where a message repeats what it found. */
export const MAX_FOUND_LENGTH = 40;

/** Turns a schema's issues into findings: what was expected, what was found, and the nearest valid name. */
export function explainIssues(issues: readonly Issue[] | undefined, input: unknown, base: Path): Finding[] {
  return (issues ?? [])
    .flatMap((issue) => leavesOf(issue, []))
    .map(({ issue, path }) => explain(issue, path, valueAt(input, path)))
    .map((finding) => ({ ...finding, path: [...base, ...finding.path] }));
}

/** What stands in the configuration; an issue's own input may have been transformed before it was refused. */
function valueAt(input: unknown, path: Path): unknown {
  return path.reduce((value, key) => (value as Readonly<Record<string | number, unknown>>)[key], input);
}

interface PlacedIssue {
  readonly issue: Issue;
  readonly path: Path;
}

/**
 * An issue of a union says no more than "none of these". Where an alternative took the value's outer shape and failed
 * within, its own issues tell more.
 */
function leavesOf(issue: Issue, base: Path): PlacedIssue[] {
  const path = [...base, ...pathOf(issue)];
  const within = (issue.issues ?? []).filter((inner) => (inner.path?.length ?? 0) > 0);
  if (issue.type !== "union" || within.length === 0) return [{ issue, path }];
  return within.flatMap((inner) => leavesOf(inner, path));
}

function pathOf(issue: Issue): (string | number)[] {
  return (issue.path ?? []).map((item) => (typeof item.key === "number" ? item.key : String(item.key)));
}

function explain(issue: Issue, path: Path, input: unknown): Finding {
  const last = issue.path?.at(-1);
  if (last?.type === "object" && "origin" in last && last.origin === "key") return explainKey(issue, path);
  const expected = issue.message.startsWith(DEFAULT) ? defaultMessage(issue) : issue.message;
  const message =
    /^expected\b/.test(expected) && !expected.includes(", found ")
      ? `${expected}, found ${describe(input)}`
      : expected;
  return { path, target: "value", message, suggestion: suggestValue(issue, input, message) };
}

function explainKey(issue: Issue, path: Path): Finding {
  const key = String(path.at(-1));
  if (issue.expected !== "never") return { path, target: "missing", message: `missing key "${key}"` };
  const known = Array.isArray(issue.requirement) ? (issue.requirement as string[]) : [];
  return { path, target: "key", message: `unknown key "${key}"`, suggestion: nearest(key, known) };
}

/** Marks the messages that no schema gave itself. */
const DEFAULT = "\u0000";

/** What valibot is told to say where a schema has no words of its own. */
export const defaultWords = { message: () => DEFAULT };

function defaultMessage(issue: Issue): string {
  const requirement = String(issue.requirement);
  switch (issue.type) {
    case "min_value":
      return `must be at least ${requirement}`;
    case "max_value":
      return `must be at most ${requirement}`;
    case "integer":
    case "safe_integer":
      return "expected a whole number";
    case "finite":
      return "expected a finite number";
    case "min_length":
    case "non_empty":
      return Array.isArray(issue.input)
        ? `expected at least ${requirement === "undefined" ? "1" : requirement} in the list`
        : "must not be empty";
    case "max_length":
    case "max_bytes":
      return `must not be longer than ${requirement}`;
    case "picklist":
    case "literal":
    case "union":
    case "string":
    case "number":
    case "boolean":
    case "array":
    case "object":
    case "object_with_rest":
    case "record":
    case "strict_object":
      return `expected ${inWords(issue.expected ?? "something else")}`;
    default:
      return "is not in the expected form";
  }
}

/** Valibot's names of types in words for people. */
const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  Array: "a list",
  Object: "a map",
  null: "nothing",
};

/** `("cdev" | "sysfs")` becomes `cdev or sysfs`. */
function inWords(expected: string): string {
  const parts = expected
    .split("|")
    .map((part) => part.trim().replace(/^\(+|\)+$/g, ""))
    .map((part) => TYPE_WORDS[part] ?? part.replace(/^"(.*)"$/, "$1"));
  const [last, ...others] = [...new Set(parts)].reverse();
  return others.length === 0 ? String(last) : `${others.reverse().join(", ")} or ${last}`;
}

/** What was found, short enough for a message. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  if (typeof value !== "string") return String(value);
  const text = value.length > MAX_FOUND_LENGTH ? `${value.slice(0, MAX_FOUND_LENGTH)}…` : value;
  return JSON.stringify(text);
}

function suggestValue(issue: Issue, input: unknown, message: string): string | undefined {
  if (!["string", "number", "boolean"].includes(typeof input)) return undefined;
  if (message.startsWith("expected a duration")) return asDuration(input);
  if (/\bon\b.*\boff\b/.test(message)) return asSwitch(input);
  if (typeof input !== "string") return undefined;
  if (issue.type === "boolean") return asBoolean(input);
  return issue.type === "picklist" ? nearest(input, optionsOf(issue)) : undefined;
}

/** A bare number was meant in seconds; blanks and capitals do no harm. */
function asDuration(input: unknown): string | undefined {
  const near = typeof input === "number" ? `${input}s` : String(input).replace(/\s/g, "").toLowerCase();
  return parseDurationMs(near) === undefined ? undefined : near;
}

/** YAML 1.1 read `yes`, `no`, `on` and `off` as booleans; YAML 1.2 does not, and people mix them up. */
const TRUE_WORDS = ["true", "yes", "on"];
const FALSE_WORDS = ["false", "no", "off"];

function asSwitch(input: unknown): string | undefined {
  const word = String(input).toLowerCase();
  if (TRUE_WORDS.includes(word)) return "on";
  return FALSE_WORDS.includes(word) ? "off" : undefined;
}

function asBoolean(input: string): string | undefined {
  const word = input.toLowerCase();
  if (TRUE_WORDS.includes(word)) return "true";
  return FALSE_WORDS.includes(word) ? "false" : undefined;
}

function optionsOf(issue: Issue): string[] {
  return [...(issue.expected ?? "").matchAll(/"([^"]*)"/g)].map((match) => match[1]!);
}
