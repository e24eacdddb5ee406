import * as v from "valibot";
import { settings } from "../schema/settings.ts";
import type { Fields, Measurements } from "./driver.ts";
import { type Filter, type FilterName, filterKinds } from "./filter-kinds.ts";

type FilterOptions = {
  readonly [N in FilterName]: v.OptionalSchema<(typeof filterKinds)[N]["option"], undefined>;
};

const filterEntries = Object.fromEntries(
  Object.entries(filterKinds).map(([name, kind]) => [name, v.optional<v.GenericSchema>(kind.option)]),
) as unknown as FilterOptions;

const oneFilter = v.pipe(
  settings(filterEntries),
  v.check(
    (filter) => Object.keys(filter).length === 1,
    "expected one filter, such as { offset: -0.4 }; write several as a list of them",
  ),
);

/** One filter as written: `{ offset: -0.4 }`. Exactly one key is set. */
export type FilterSpec = v.InferOutput<typeof oneFilter>;

/** Filters for one field, or for every numeric one where `field` is absent. */
export interface FilterStep {
  readonly field?: string;
  readonly filters: readonly FilterSpec[];
}

/**
 * A sensor's `filters`: a list of steps applied in order. `temperature: [{ offset: -0.4 }, { median: 5 }]` filters
 * one field; `{ round: 1 }` filters all. A name that is a filter's is never taken for a field's.
 */
export const filterSteps = v.array(
  v.pipe(
    v.objectWithRest(
      filterEntries,
      v.array(
        oneFilter,
        "expected a filter's name, or a field with a list of filters, such as [{ offset: -0.4 }]",
      ),
    ),
    v.check(
      (step) => Object.keys(step).length === 1,
      "expected one field or one filter; write the next as a list item of its own",
    ),
    v.transform((step): FilterStep => {
      const [name, value] = Object.entries(step)[0]!;
      return Object.hasOwn(filterKinds, name)
        ? { filters: [step] }
        : { field: name, filters: value as FilterSpec[] };
    }),
  ),
  "expected a list of filters",
);

/** A sensor's filters with what they remember. Booleans pass; a field that a filter suppresses is left out. */
export type FilterChain = (measurements: Measurements) => Measurements;

/** Filters that remember nothing yet. One remembers each field apart, also where it was written for all. */
export function startFilters(steps: readonly FilterStep[]): FilterChain {
  const started = new Map<string, readonly Filter[]>();
  const filtersOf = (field: string) => {
    const filters = started.get(field) ?? specsFor(steps, field).map(startFilter);
    started.set(field, filters);
    return filters;
  };
  return (measurements) => {
    const passed: Record<string, number | boolean> = {};
    for (const [field, value] of Object.entries(measurements)) {
      const result = typeof value === "number" ? applyAll(filtersOf(field), value) : value;
      if (result !== undefined) passed[field] = result;
    }
    return passed;
  };
}

/** The fields as they leave the filters: the last `round` that a field meets is its precision. */
export function filteredFields(fields: Fields, steps: readonly FilterStep[]): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => {
      const precision = specsFor(steps, name).findLast((spec) => spec.round !== undefined)?.round;
      return [name, precision === undefined ? field : { ...field, precision }];
    }),
  );
}

function specsFor(steps: readonly FilterStep[], field: string): readonly FilterSpec[] {
  return steps
    .filter((step) => step.field === undefined || step.field === field)
    .flatMap((step) => step.filters);
}

function startFilter(spec: FilterSpec): Filter {
  const [name, option] = Object.entries(spec)[0]!;
  return filterKinds[name as FilterName].start(option);
}

function applyAll(filters: readonly Filter[], value: number): number | undefined {
  let result: number | undefined = value;
  for (const filter of filters) {
    if (result === undefined) break;
    result = filter(result);
  }
  return result;
}
