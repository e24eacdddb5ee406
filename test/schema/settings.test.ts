import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { settings } from "../../src/schema/settings.ts";

const schema = settings({
  id: v.string(),
  inner: v.optional(settings({ a: v.optional(v.number(), 1) }), {}),
});

function complaints(input: unknown): string[] {
  return (v.safeParse(schema, input).issues ?? []).map(
    (issue) => `${v.getDotPath(issue) ?? ""}: ${issue.message}`,
  );
}

describe("settings", () => {
  test("fill in defaults", () => {
    expect(v.parse(schema, { id: "x" })).toEqual({ id: "x", inner: { a: 1 } });
  });

  test("refuse every unknown key at every level, each with the known ones", () => {
    const input = { id: "x", idd: 1, zzz: 2, inner: { b: 1, c: 2 } };
    expect(complaints(input)).toEqual([
      'inner.b: unknown key "b"',
      'inner.c: unknown key "c"',
      'idd: unknown key "idd"',
      'zzz: unknown key "zzz"',
    ]);
    expect(v.safeParse(schema, input).issues?.[2]?.requirement).toEqual(["id", "inner"]);
  });

  test("say what is missing beside what is unknown", () => {
    expect(complaints({ ID: "x" })).toEqual([expect.stringMatching(/^id: /), 'ID: unknown key "ID"']);
  });

  test.each([[["x"]], [null], ["x"], [7]])("take %j for no object", (input) => {
    expect(v.safeParse(schema, input).issues).toHaveLength(1);
  });

  test("see a key that every object inherits as unknown", () => {
    expect(complaints(JSON.parse('{"id":"x","__proto__":{},"constructor":1}'))).toEqual([
      '__proto__: unknown key "__proto__"',
      'constructor: unknown key "constructor"',
    ]);
  });
});
