import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/safety.md", root), "utf8");
const rows = page.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| what is lost"));
const evidenceIn = (text: string) =>
  [...text.replace(/\s+/g, " ").matchAll(/`(test\/[^`]+)`: "([^"]+)"/g)].map(([, file = "", name = ""]) => ({
    file,
    name,
  }));

describe("the page on safety", () => {
  test("backs each of its rows with a test", () => {
    expect(rows.length).toBeGreaterThan(25);
    expect(rows.filter((row) => evidenceIn(row).length === 0)).toEqual([]);
  });

  test.each(evidenceIn(page))("$file: $name", ({ file, name }) => {
    const url = new URL(file, root);
    expect(existsSync(url)).toBe(true);
    expect(readFileSync(url, "utf8")).toMatch(new RegExp(`\\btest\\(\\s*${escaped(JSON.stringify(name))}`));
  });
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
