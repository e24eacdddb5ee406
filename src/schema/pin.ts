import * as v from "valibot";

/** A GPIO line in a configuration: its BCM number (`17`) or the kernel's name for it (`GPIO17`). */
export function pin() {
  return v.union(
    [v.pipe(v.number(), v.integer(), v.minValue(0)), v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,31}$/))],
    "expected a BCM line number such as 17 or a line name such as GPIO17",
  );
}
