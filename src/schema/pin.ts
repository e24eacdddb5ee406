import * as v from "valibot";
import { settings } from "./settings.ts";

const headerPin = settings({
  /** Counted as on pinouts. Whether the header has such a line, only the board can tell. */
  header: v.pipe(v.number(), v.integer()),
});

const expanderPin = v.pipe(
  settings({
    expander: v.string(),
    pin: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(15)),
  }),
  v.transform(({ expander, pin }) => `${expander}:${pin}`),
);

/**
 * A GPIO line in a configuration: its BCM number (`17`), the kernel's name for it (`GPIO17`), the pin of a Raspberry
 * Pi's header that it comes out at (`{ header: 11 }`), or a pin of one of the configuration's expanders, which becomes
 * `io1:3`.
 */
export function pin() {
  return v.union(
    [
      v.pipe(v.number(), v.integer(), v.minValue(0)),
      v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,31}$/)),
      headerPin,
      expanderPin,
    ],
    "expected a BCM line number such as 17, a line name such as GPIO17, { header: 11 }, or { expander: io1, pin: 3 }",
  );
}
