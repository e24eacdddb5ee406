import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { settings } from "../../src/schema/settings.ts";
import { fieldsOf } from "../../src/sensors/driver.ts";
import { mcp3008 } from "../../src/sensors/mcp3008.ts";
import { spiConversation } from "./conversation.ts";

const schema = settings(mcp3008.options);
const parse = (input: Record<string, unknown>) => v.parse(schema, input);

async function readWith(
  channel: Record<string, unknown>,
  asked: readonly number[],
  answer: readonly number[],
  reference = 3.3,
) {
  const chip = spiConversation([[asked, answer]]);
  const options = parse({ channels: [{ name: "x", ...channel }], reference });
  return (await (await mcp3008.open(chip, options)).read())["x"];
}

describe("a channel", () => {
  // DS21295D, table 5-2 and figure 6-1.
  test.each([
    ["ch0", 0x80],
    ["ch5", 0xd0],
    ["ch7", 0xf0],
    ["ch0-ch1", 0x00],
    ["ch1-ch0", 0x10],
    ["ch7-ch6", 0x70],
  ])("%s is asked for by 0x%x", async (input, selection) => {
    expect(await readWith({ input }, [1, selection, 0], [0xff, 0xf8 | 0b10, 0x00])).toBeCloseTo(1.65, 9);
  });

  test("is a share of the reference", async () => {
    expect(await readWith({ input: "ch0" }, [1, 0x80, 0], [0, 0b11, 0xff], 5)).toBeCloseTo(
      (5 * 1_023) / 1_024,
      9,
    );
    expect(await readWith({ input: "ch0" }, [1, 0x80, 0], [0, 0, 1])).toBeCloseTo(3.3 / 1_024, 9);
  });

  test("is scaled as told", async () => {
    const scaled = { input: "ch0", scale: 100, offset: -50, unit: "%" };
    expect(await readWith(scaled, [1, 0x80, 0], [0, 0b10, 0], 1)).toBeCloseTo(0, 9);
  });

  test("without the null bit is none: no chip answers", async () => {
    const failed = readWith({ input: "ch0" }, [1, 0x80, 0], [0xff, 0xff, 0xff]);
    await expect(failed).rejects.toMatchObject({ fault: "disconnected" });
  });
});

test("the fields have as many decimals as a step of the converter", () => {
  const options = parse({
    channels: [
      { name: "v", input: "ch0" },
      { name: "p", input: "ch1", scale: 30, unit: "%" },
    ],
  });
  expect(fieldsOf(mcp3008, options)).toEqual({
    v: { unit: "V", precision: 3, deviceClass: "voltage" },
    p: { unit: "%", precision: 2 },
  });
});

test.each([
  [
    "two channels of one name",
    {
      channels: [
        { name: "a", input: "ch0" },
        { name: "a", input: "ch1" },
      ],
    },
  ],
  ["an input that the chip has not", { channels: [{ name: "a", input: "ch8" }] }],
  ["a pair that the chip has not", { channels: [{ name: "a", input: "ch0-ch2" }] }],
  ["a reference beyond the chip's supply", { reference: 6 }],
])("the options refuse %s", (_what, input) => {
  expect(v.safeParse(schema, input).success).toBe(false);
});
