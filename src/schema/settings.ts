import * as v from "valibot";

/**
 * An object in a configuration that refuses every key it does not know.
 *
 * `v.strictObject` stops at the first unknown key and takes a list for an object; a person who mistyped two keys
 * wants to hear of both. Each issue of an unknown key carries the known ones as its `requirement`, so that the
 * message can name the nearest.
 */
export function settings<const E extends v.ObjectEntries>(entries: E): v.StrictObjectSchema<E, undefined> {
  const schema = v.strictObject(entries);
  const known = Object.keys(entries);
  return {
    ...schema,
    "~run"(dataset, config) {
      const input = dataset.value;
      if (Array.isArray(input)) return v.strictObject(entries)["~run"]({ value: LIST }, config);
      const result = schema["~run"](dataset, config);
      if (typeof input !== "object" || input === null) return result;
      const issues = (result.issues ?? []).filter((issue) => !isUnknownKey(issue, input));
      for (const key of Object.keys(input)) {
        if (!known.includes(key)) issues.push(unknownKey(key, input as Record<string, unknown>, known));
      }
      const [first, ...rest] = issues;
      return first ? { typed: false, value: result.value, issues: [first, ...rest] } : result;
    },
  } as v.StrictObjectSchema<E, undefined>;
}

/** Stands for a list where an object is expected: valibot would look for keys in a list itself. */
const LIST = Symbol("a list");

type StrictIssue = v.StrictObjectIssue;

function isUnknownKey(issue: v.BaseIssue<unknown>, input: object): boolean {
  return (
    issue.type === "strict_object" &&
    issue.expected === "never" &&
    issue.path?.[0]?.input === input &&
    issue.path.length === 1
  );
}

function unknownKey(key: string, input: Record<string, unknown>, known: readonly string[]): StrictIssue {
  return {
    kind: "schema",
    type: "strict_object",
    input: key,
    expected: "never",
    received: `"${key}"`,
    message: `unknown key "${key}"`,
    requirement: known,
    path: [{ type: "object", origin: "key", input, key, value: input[key] }],
  } as unknown as StrictIssue;
}
