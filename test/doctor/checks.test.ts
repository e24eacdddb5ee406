import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { AREAS } from "../../src/doctor/check.ts";
import { CHECKS } from "../../src/doctor/checks.ts";

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");

describe("the doctor's checks", () => {
  test("have names of their own, and stand area by area", () => {
    const ids = CHECKS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const areas = CHECKS.map(({ area }) => AREAS.indexOf(area));
    expect(areas).toEqual([...areas].sort((a, b) => a - b));
  });

  test("each has a test that breaks just what it looks at", () => {
    const tests = readdirSync(fileURLToPath(new URL(".", import.meta.url))).filter((name) =>
      name.endsWith(".test.ts"),
    );
    const texts = tests
      .filter((name) => name !== "checks.test.ts")
      .map((name) => read(`test/doctor/${name}`))
      .join("\n");
    const untested = CHECKS.map(({ id }) => id).filter(
      (id) => !new RegExp(`\\[\\s*"${id}",\\s*"|(test|describe)\\("${id}[:"]`).test(texts),
    );
    expect(untested).toEqual([]);
  });

  test("are all in the table of docs/cli.md, in its words", () => {
    const rows = CHECKS.map(({ id, looksAt }) => `| \`${id}\` | ${looksAt} |`);
    const shown = /\| check \| what is looked at \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(
      read("docs/cli.md"),
    )?.[1];
    expect(shown?.trimEnd().split("\n")).toEqual(rows);
  });
});
