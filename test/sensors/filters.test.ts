import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { filterKinds, roundTo } from "../../src/sensors/filter-kinds.ts";
import { filteredFields, filterSteps, startFilters } from "../../src/sensors/filters.ts";

const parse = (config: unknown) => v.parse(filterSteps, config);
const problems = (config: unknown) =>
  (v.safeParse(filterSteps, config).issues ?? []).map((issue) => `${v.getDotPath(issue)}: ${issue.message}`);

/** What one field becomes, sample by sample; undefined where it was left out. */
function run(filter: unknown, values: readonly number[]) {
  const chain = startFilters(parse([{ value: [filter] }]));
  return values.map((value) => chain({ value })["value"]);
}

describe("a filter", () => {
  test.each([
    ["offset", { offset: -0.5 }, [20, 21.5], [19.5, 21]],
    ["scale", { scale: 2 }, [3, -4], [6, -8]],
    [
      "calibrate_linear between two points",
      {
        calibrate_linear: [
          [0, 1],
          [100, 101],
        ],
      },
      [0, 50, 100],
      [1, 51, 101],
    ],
    [
      "calibrate_linear beyond its points",
      {
        calibrate_linear: [
          [0, 0],
          [10, 20],
        ],
      },
      [-5, 15],
      [-10, 30],
    ],
    [
      "calibrate_linear with a bend, points in any order",
      {
        calibrate_linear: [
          [20, 30],
          [0, 0],
          [10, 10],
        ],
      },
      [-1, 5, 10, 15, 20, 30],
      [-1, 5, 10, 20, 30, 50],
    ],
    ["clamp", { clamp: [0, 100] }, [-1, 50, 101], [0, 50, 100]],
    ["skip_outside", { skip_outside: [0, 100] }, [-1, 0, 100, 101], [undefined, 0, 100, undefined]],
    ["median", { median: 3 }, [1, 9, 2, 3, 100], [1, 5, 2, 3, 3]],
    ["moving_average", { moving_average: 2 }, [1, 3, 5, 5], [1, 2, 4, 5]],
    ["exponential_average", { exponential_average: 0.5 }, [0, 8, 8], [0, 4, 6]],
    ["round", { round: 1 }, [1.25, 1.24, -0.04], [1.3, 1.2, 0]],
  ])("%s", (_name, filter, values, expected) => {
    expect(run(filter, values)).toEqual(expected);
  });

  test("meets every point it was calibrated with", () => {
    const coordinate = fc.integer({ min: -1e6, max: 1e6 });
    const points = fc.uniqueArray(fc.tuple(coordinate, coordinate), {
      minLength: 2,
      maxLength: 8,
      selector: ([raw]) => raw,
    });
    fc.assert(
      fc.property(points, (pairs) => {
        const results = run(
          { calibrate_linear: pairs },
          pairs.map(([raw]) => raw),
        );
        for (const [index, result] of results.entries()) expect(result).toBeCloseTo(pairs[index]![1], 6);
      }),
    );
  });

  test("that smooths stays between the least and the greatest of what it saw", () => {
    const smoothing = fc.constantFrom({ median: 5 }, { moving_average: 4 }, { exponential_average: 0.3 });
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(smoothing, values, (filter, seen) => {
        for (const result of run(filter, seen)) {
          expect(result).toBeGreaterThanOrEqual(Math.min(...seen) - 1e-6);
          expect(result).toBeLessThanOrEqual(Math.max(...seen) + 1e-6);
        }
      }),
    );
  });

  test("that limits gives the same when applied twice", () => {
    const value = fc.double({ min: -1e9, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(value, fc.constantFrom({ clamp: [-10, 10] }, { round: 2 }), (input, filter) => {
        const once = run(filter, [input])[0] as number;
        expect(run(filter, [once])[0]).toBe(once);
      }),
    );
  });

  test("has a description", () => {
    for (const { description } of Object.values(filterKinds)) expect(description).not.toBe("");
  });
});

describe("a chain of filters", () => {
  test("applies its steps in order, to a field or to all", () => {
    const chain = startFilters(
      parse([{ a: [{ offset: 1 }, { scale: 10 }] }, { scale: 2 }, { b: [{ offset: 1 }] }]),
    );
    expect(chain({ a: 1, b: 1, c: 1 })).toEqual({ a: 40, b: 3, c: 2 });
  });

  test("remembers each field apart where a filter is for all", () => {
    const chain = startFilters(parse([{ moving_average: 2 }]));
    chain({ a: 0, b: 100 });
    expect(chain({ a: 2, b: 200 })).toEqual({ a: 1, b: 150 });
  });

  test("leaves booleans alone", () => {
    expect(startFilters(parse([{ offset: 1 }]))({ active: true, value: 1 })).toEqual({
      active: true,
      value: 2,
    });
  });

  test("leaves out a suppressed field, keeps the others, and shows later filters nothing of it", () => {
    const chain = startFilters(parse([{ a: [{ skip_outside: [0, 10] }, { moving_average: 2 }] }]));
    expect(chain({ a: 4, b: 1 })).toEqual({ a: 4, b: 1 });
    expect(chain({ a: 999, b: 2 })).toEqual({ b: 2 });
    expect(chain({ a: 6, b: 3 })).toEqual({ a: 5, b: 3 });
  });

  test("remembers nothing when it is started anew", () => {
    const steps = parse([{ moving_average: 10 }]);
    startFilters(steps)({ a: 100 });
    expect(startFilters(steps)({ a: 0 })).toEqual({ a: 0 });
  });

  test("sets a field's precision by its last round", () => {
    const fields = { a: { unit: "V", precision: 3 }, b: { unit: "V", precision: 3 } };
    const steps = parse([{ round: 1 }, { a: [{ scale: 0.001 }, { round: 6 }] }]);
    expect(filteredFields(fields, steps)).toEqual({
      a: { unit: "V", precision: 6 },
      b: { unit: "V", precision: 1 },
    });
  });
});

describe("rounding", () => {
  test("is to the nearest, and knows no -0", () => {
    expect(roundTo(21.4649, 2)).toBe(21.46);
    expect(Object.is(roundTo(-0.001, 2), 0)).toBe(true);
    expect(roundTo(1013.25, 0)).toBe(1013);
  });

  test("is off by at most half of its last place", () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, fc.integer({ min: 0, max: 6 }), (input, digits) => {
        expect(Math.abs(roundTo(input, digits) - input)).toBeLessThanOrEqual(0.5 * 10 ** -digits + 1e-9);
      }),
    );
  });
});

describe("filters in a configuration", () => {
  test.each([
    ["an unknown filter", [{ temperature: [{ ofset: 1 }] }], '0.temperature.0.ofset: unknown key "ofset"'],
    [
      "two filters in one",
      [{ temperature: [{ offset: 1, scale: 2 }] }],
      "0.temperature.0: expected one filter",
    ],
    ["two fields in one", [{ temperature: [], humidity: [] }], "0: expected one field or one filter"],
    [
      "a filter without its list",
      [{ temperature: { offset: 1 } }],
      "0.temperature: expected a filter's name",
    ],
    ["a mistyped filter for all", [{ medain: 5 }], "0.medain: expected a filter's name"],
    ["a range the wrong way round", [{ clamp: [100, 0] }], "0.clamp: the first number must not exceed"],
    ["a range of three", [{ clamp: [0, 50, 100] }], "0.clamp"],
    ["a window of one", [{ median: 1 }], "0.median: must be at least 2 samples"],
    ["half a window", [{ median: 2.5 }], "0.median: expected a whole number"],
    ["one calibration point", [{ calibrate_linear: [[0, 0]] }], "0.calibrate_linear: expected at least two"],
    [
      "a raw value with two truths",
      [
        {
          calibrate_linear: [
            [1, 1],
            [1, 2],
          ],
        },
      ],
      "0.calibrate_linear: two points",
    ],
    ["a text for a number", [{ offset: "1" }], "0.offset: expected a number"],
    ["no number", [{ offset: Number.NaN }], "0.offset"],
    ["something else than a list", { offset: 1 }, "expected a list of filters"],
  ])("refuse %s", (_name, config, problem) => {
    expect(problems(config).join("\n")).toContain(problem);
  });

  test("never take an object's own words for filters", () => {
    expect(parse([{ toString: [{ offset: 1 }] }])).toEqual([{ field: "toString", filters: [{ offset: 1 }] }]);
  });
});
