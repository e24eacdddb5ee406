import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { editDistance, nearest } from "../../src/config/nearest.ts";
import { openSource } from "../../src/config/source.ts";
import { plain } from "../../src/config/tree.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { howMany, SEED } from "../exhaustive.ts";
import { complaints, read } from "./reading.ts";

const KEYS = [
  ..."device mqtt telemetry buffer health buses gpio sensors actuators simulation rules web id name url tls".split(
    " ",
  ),
  ..."driver bus address interval jitter filters report delta heartbeat pin initial safe interlock".split(
    " ",
  ),
  ..."__proto__ constructor toString i2c main device replay order rate world faults sensor fault <<".split(
    " ",
  ),
];
const VALUES: unknown[] = [
  "bme280",
  "digital_output",
  "host",
  "10s",
  "on",
  `\${device}`,
  `\${env:TOKEN}`,
  "a",
  17,
  -1,
  0.5,
  true,
  null,
];

/** Values that look like a configuration from afar. */
const configLike = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(...VALUES),
    fc.array(tie("value"), { maxLength: 3 }),
    fc
      .array(fc.tuple(fc.constantFrom(...KEYS), tie("value")), { maxLength: 5 })
      .map((pairs) => new Map(pairs)),
  ),
})).value;

function toText(value: unknown): string {
  if (value instanceof Map) {
    return `{ ${[...value].map(([key, inner]) => `${JSON.stringify(key)}: ${toText(inner)}`).join(", ")} }`;
  }
  if (Array.isArray(value)) return `[${value.map(toText).join(", ")}]`;
  return JSON.stringify(value);
}

describe("whatever a file holds", () => {
  test("random text is answered, never thrown at", async () => {
    const yamlish = fc.array(
      fc.constantFrom(
        ..."{}[]:,-?&*!|>'\"%@#\n\t ".split(""),
        "a",
        "- ",
        ": ",
        "  ",
        "&a ",
        "*a ",
        "<<: ",
        "${",
        "\n---\n",
      ),
      { maxLength: 30 },
    );
    const text = fc.oneof(
      yamlish.map((parts) => parts.join("")),
      fc.string({ unit: "binary" }),
    );
    await fc.assert(
      fc.asyncProperty(text, async (text) => {
        const result = await read(text);
        expect(result.ok).toBe(false);
      }),
      { seed: SEED, numRuns: howMany(1_200, 5_000) },
    );
  });

  test("random settings are answered with problems that stand in the file", async () => {
    const body = fc.array(fc.tuple(fc.constantFrom(...KEYS), configLike), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(body, async (pairs) => {
        const text = pairs.map(([key, value]) => `${key}: ${toText(value)}\n`).join("");
        const result = await read(text);
        const lines = text.split("\n");
        for (const { line, column, width, sourceLine } of result.ok ? [] : result.problems) {
          expect(sourceLine).toBe(lines[line - 1]);
          expect(column + width).toBeLessThanOrEqual(Math.max(2, sourceLine.length + 2));
        }
      }),
      { seed: SEED, numRuns: howMany(1_200, 5_000) },
    );
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("YAML is read as another library writes and reads it", () => {
    const scalar = fc.oneof(
      fc.string(),
      fc.constantFrom(
        ...["on", "0x76", "0o17", "1e3", "~", "null", "-", "- a", "a: b", "a #b", "\ttab", "two\nlines\n"],
        ...[
          "'",
          '"',
          "<<",
          "&a",
          "*a",
          "!t",
          "%",
          "@",
          "",
          " ",
          "1_000",
          "12:30",
          "2026-11-25",
          "TRUE",
          ".inf",
        ],
      ),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
    );
    const document = fc.dictionary(
      fc.string({ minLength: 1 }).filter((key) => key !== "<<"),
      fc.letrec((tie) => ({
        value: fc.oneof(
          { depthSize: "small" },
          scalar,
          fc.array(tie("value"), { maxLength: 4 }),
          fc.dictionary(fc.stringMatching(/^[a-z_ ]{1,8}$/), tie("value"), { maxKeys: 4 }),
        ),
      })).value,
      { minKeys: 1, noNullPrototype: true },
    );
    const style = fc.record({
      defaultStringType: fc.constantFrom(
        "PLAIN",
        "QUOTE_SINGLE",
        "QUOTE_DOUBLE",
        "BLOCK_LITERAL",
        "BLOCK_FOLDED",
      ),
      collectionStyle: fc.constantFrom("any", "flow"),
      indent: fc.integer({ min: 1, max: 4 }),
      indentSeq: fc.boolean(),
    } as const);
    fc.assert(
      fc.property(document, style, (value, options) => {
        const text = stringify(value, { ...options, aliasDuplicateObjects: false });
        const { root, problems } = parseYaml(openSource("x.yaml", text));
        expect(problems, text).toEqual([]);
        expect(JSON.stringify(plain(root!)), text).toBe(JSON.stringify(parse(text)));
      }),
      { seed: SEED, numRuns: howMany(600, 2_000) },
    );
  });

  test("JSON is read as it is meant", () => {
    const json = fc.dictionary(
      fc.string({ minLength: 1 }).filter((key) => key !== "<<"),
      fc.jsonValue({ maxDepth: 3 }),
      { minKeys: 1 },
    );
    fc.assert(
      fc.property(json, (value) => {
        const source = openSource("x.json", JSON.stringify(value, null, 1));
        expect(parseYaml(source).problems).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("the nearest name", () => {
  const name = fc.stringMatching(/^[a-z_]{4,12}$/);

  test("is found after a slip of the finger", () => {
    fc.assert(
      fc.property(name, fc.nat(), fc.constantFrom("drop", "double", "swap"), (valid, at, slip) => {
        const i = at % (valid.length - 1);
        const [a, b] = [valid[i]!, valid[i + 1]!];
        const typed =
          valid.slice(0, i) + { drop: b, double: a + a + b, swap: b + a }[slip] + valid.slice(i + 2);
        expect(nearest(typed, [valid])).toBe(valid);
      }),
    );
  });

  test("is a distance: symmetric, zero only for equals, and no longer than the longer word", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });

  test.each([
    ["intervall", "interval"],
    ["keep-alive", "keepalive"],
    ["Interval", "interval"],
    ["bme208", "bme280"],
  ])("for %s is %s", (typed, valid) => {
    expect(nearest(typed, ["id", valid, "jitter"])).toBe(valid);
  });

  test.each(["colour", "x", "", "i".repeat(100)])("for %j is none", (typed) => {
    expect(nearest(typed, ["interval", "id", "jitter"])).toBeUndefined();
  });

  test("is offered for a mistyped key", async () => {
    expect(await complaints("device: { id: g1 }\nmqtt: { url: mqtt://b }\nhaelth: {}\n")).toContain(
      'did you mean "health"?',
    );
  });
});
