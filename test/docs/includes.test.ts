import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const docs = fileURLToPath(new URL("../../docs", import.meta.url));
const pages = readdirSync(docs).filter((name) => name.endsWith(".md"));
const INCLUDE = /<!-- include: (\S+) -->\n```\w+\n([\s\S]*?)```/g;

test.each(pages)("%s shows its examples as they are run", (page) => {
  const text = readFileSync(join(docs, page), "utf8");
  for (const [, path, shown] of text.matchAll(INCLUDE)) {
    expect(shown).toBe(readFileSync(join(dirname(join(docs, page)), path!), "utf8"));
  }
});

test("the testing page includes its two examples", () => {
  const text = readFileSync(join(docs, "testing.md"), "utf8");
  expect([...text.matchAll(INCLUDE)]).toHaveLength(2);
});
