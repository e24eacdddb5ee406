import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { complaints } from "./reading.ts";

/** `wrong-configs.txt` holds each wrong configuration beside every word that a person is told of it. */
const cases = readFileSync(new URL("wrong-configs.txt", import.meta.url), "utf8")
  .split(/^=== /m)
  .slice(1)
  .map((part) => {
    const [head = "", says = ""] = part.split(/^--- says\n/m);
    const [name = "", ...lines] = head.split("\n");
    return { name, config: lines.join("\n"), says };
  });

describe("a wrong configuration is told all that is wrong with it, and where", () => {
  test.each(cases)("$name", async ({ config, says }) => {
    expect(await complaints(config)).toBe(says);
  });

  test("there are more than a handful of them", () => {
    expect(cases.length).toBeGreaterThan(75);
  });
});
