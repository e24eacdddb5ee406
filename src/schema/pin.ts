import * as v from "valibot";
import { settings } from "./settings.ts";

/**
 * A GPIO line in a configuration: its BCM number (`17`), the kernel's name for it (`GPIO17`), or a pin of one of the
 * configuration's expanders, which becomes `io1:3`.
 */
export function pin() {
  return v.union(
    [
      v.pipe(v.number(), v.integer(), v.minValue(0)),
      v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,31}$/)),
      v.pipe(
        settings({
          expander: v.string(),
          pin: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(15)),
        }),
        v.transform(({ expander, pin }) => `${expander}:${pin}`),
      ),
    ],
    "expected a BCM line number such as 17, a line name such as GPIO17, or { expander: io1, pin: 3 }",
  );
}
