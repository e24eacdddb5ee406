import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { formatSizeBytes, parseSizeBytes, size } from "../../src/schema/size.ts";

describe("sizes", () => {
  test.each([
    ["0B", 0],
    ["512B", 512],
    ["64KiB", 65_536],
    ["1.5KiB", 1_536],
    ["256MiB", 268_435_456],
    ["2GiB", 2_147_483_648],
  ])("%s are %d bytes", (text, valueBytes) => {
    expect(parseSizeBytes(text)).toBe(valueBytes);
  });

  test.each(["", "64", "64KB", "64kib", "1 MiB", "-1B", "0.5B", `${"9".repeat(20)}GiB`])(
    "%j is none",
    (text) => {
      expect(parseSizeBytes(text)).toBeUndefined();
    },
  );

  test.each([
    [0, "0 B"],
    [1_536, "1.5 KiB"],
    [1_048_576, "1 MiB"],
    [3 * 1024 ** 3, "3 GiB"],
  ])("%d bytes are written %s", (valueBytes, text) => {
    expect(formatSizeBytes(valueBytes)).toBe(text);
  });

  test("keep above their least and say what it is", () => {
    const schema = size({ minBytes: 1024 });
    expect(v.parse(schema, "1KiB")).toBe(1024);
    expect(v.safeParse(schema, "1B").issues?.[0].message).toBe("must be at least 1 KiB");
    expect(v.safeParse(schema, 5).issues?.[0].message).toMatch(/^expected a size/);
  });
});
