import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluate, type Facts, FRESH, type Memory, type Truth } from "../../src/rules/evaluate.ts";
import type { Condition, ReadingCondition } from "../../src/rules/rule.ts";

const hot: ReadingCondition = {
  kind: "reading",
  sensor: "air",
  field: "temperature",
  above: 30,
  below: 28,
  hysteresis: 0,
  maxAgeMs: 60_000,
  forMs: 0,
};

/** Readings of one sensor at times in seconds; a look at the condition at each of them and at the times of `also`. */
function follow(
  condition: Condition,
  readings: readonly (readonly [atS: number, value: number | boolean])[],
  also: readonly number[] = [],
): string {
  const values = new Map(readings.map(([atS, value]) => [atS, value]));
  const looks = [...new Set([...values.keys(), ...also])].sort((a, b) => a - b);
  let latest: { value: number | boolean; atMs: number } | undefined;
  let memory: Memory = FRESH;
  const truths: Truth[] = [];
  for (const atS of looks) {
    const value = values.get(atS);
    if (value !== undefined) latest = { value, atMs: atS * 1_000 };
    const verdict = evaluate(condition, memory, facts(atS * 1_000, latest));
    memory = verdict.memory;
    truths.push(verdict.truth);
  }
  return truths.map((truth) => (truth === undefined ? "?" : truth ? "1" : "0")).join("");
}

function facts(nowMs: number, latest: { value: number | boolean; atMs: number } | undefined): Facts {
  return {
    nowMs,
    startedMs: 0,
    wallMs: nowMs,
    calendar: undefined,
    value: () => latest,
    lastSaidMs: () => latest?.atMs,
  };
}

const everySecond = (...values: readonly number[]) => values.map((value, at) => [at, value] as const);

describe("a threshold", () => {
  test.each<[string, Partial<ReadingCondition>, readonly number[], string]>([
    [
      "with both bounds holds from above one until below the other",
      {},
      [29, 31, 29, 28, 27, 29, 31],
      "0111001",
    ],
    ["is not reached on the bound itself", {}, [30, 30.01], "01"],
    ["with one bound has no memory", { below: undefined as never }, [31, 30, 31], "101"],
    ["below", { above: undefined as never, below: 5 }, [6, 5, 4, 5], "0010"],
    [
      "below with hysteresis",
      { above: undefined as never, below: 5, hysteresis: 2 },
      [6, 4, 6, 7, 6],
      "01100",
    ],
    [
      "above with hysteresis",
      { below: undefined as never, above: 5, hysteresis: 2 },
      [6, 4, 3, 4, 6],
      "11001",
    ],
    ["with the bounds the other way round is a band", { above: 10, below: 20 }, [9, 15, 21, 15, 10], "01010"],
  ])("%s", (_name, bounds, values, truths) => {
    const condition = Object.fromEntries(
      Object.entries({ ...hot, ...bounds }).filter(([, value]) => value !== undefined),
    ) as unknown as ReadingCondition;
    expect(follow(condition, everySecond(...values))).toBe(truths);
  });

  test("holds only after `for`, counted from the first reading beyond it without one short of it in between", () => {
    const condition = { ...hot, forMs: 3_000 };
    expect(follow(condition, everySecond(31, 31, 27, 31, 31, 31, 31, 27))).toBe("00000010");
    expect(follow(condition, [[0, 31]], [1, 2, 3, 4])).toBe("00011");
  });

  test("says when it is to be looked at again, though nothing is said", () => {
    const verdict = evaluate({ ...hot, forMs: 3_000 }, FRESH, facts(1_000, { value: 31, atMs: 1_000 }));
    expect(verdict).toMatchObject({ truth: false, dueMs: 4_000 });
  });

  test("cannot be told without a reading, nor with one that is too old; what it remembered stays", () => {
    expect(
      follow(
        hot,
        [
          [5, 31],
          [70, 29],
        ],
        [0, 65, 66],
      ),
    ).toBe("?11?1");
  });
});

test("a boolean field is what it is asked to be, or not", () => {
  const { above: _a, below: _b, ...rest } = hot;
  expect(
    follow({ ...rest, is: true }, [
      [0, true],
      [1, false],
    ]),
  ).toBe("10");
  expect(
    follow({ ...rest, is: false }, [
      [0, true],
      [1, false],
    ]),
  ).toBe("01");
});

test("a silent sensor is one that has said nothing for long enough, counted from the start where it never did", () => {
  const silent: Condition = { kind: "silence", sensor: "air", ageMs: 10_000, forMs: 0 };
  expect(follow(silent, [[15, 1]], [0, 9, 10, 24, 25])).toBe("001001");
});

describe("conditions combine as in Kleene's logic", () => {
  const value = (truth: Truth): Condition => ({
    kind: "reading",
    sensor: String(truth),
    field: "x",
    is: true,
    hysteresis: 0,
    maxAgeMs: 1_000,
    forMs: 0,
  });
  const world: Facts = {
    ...facts(0, undefined),
    value: (sensor) => (sensor === "undefined" ? undefined : { value: sensor === "true", atMs: 0 }),
  };
  const truths: readonly Truth[] = [true, false, undefined];
  const told = (condition: Condition) => evaluate(condition, FRESH, world).truth;

  test.each(truths.flatMap((a) => truths.map((b) => [a, b] as const)))("%s with %s", (a, b) => {
    const of = [value(a), value(b)];
    const both = a === false || b === false ? false : a === undefined || b === undefined ? undefined : true;
    const either = a === true || b === true ? true : a === undefined || b === undefined ? undefined : false;
    expect(told({ kind: "all", of, forMs: 0 })).toBe(both);
    expect(told({ kind: "any", of, forMs: 0 })).toBe(either);
    expect(told({ kind: "not", of: value(a), forMs: 0 })).toBe(a === undefined ? undefined : !a);
  });

  test("and remember each for itself", () => {
    const cold: ReadingCondition = { ...hot, above: 12, below: 10 };
    const condition: Condition = { kind: "all", of: [hot, { kind: "not", of: cold, forMs: 0 }], forMs: 0 };
    expect(follow(condition, everySecond(31, 29))).toBe("00");
    expect(follow({ kind: "any", of: [hot, cold], forMs: 2_000 }, everySecond(31, 29, 11, 9))).toBe("0010");
  });
});

test("whatever is measured, a threshold is true above its upper bound, false below its lower one, and between them what it was", () => {
  const value = fc.double({ min: 20, max: 40, noNaN: true });
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 100 }), (values) => {
      let expected = false;
      const wanted = values.map((value) => {
        if (value > 30) expected = true;
        else if (value < 28) expected = false;
        return expected ? "1" : "0";
      });
      expect(follow(hot, everySecond(...values))).toBe(wanted.join(""));
    }),
    { numRuns: 300 },
  );
});
