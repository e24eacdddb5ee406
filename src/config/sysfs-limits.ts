import { type Finding, wrongKey } from "./finding.ts";
import { isMap } from "./item.ts";
import type { Sections } from "./sections.ts";
import { type Item, lineName } from "./wiring.ts";

/** config.txt's words for a pull (Raspberry Pi documentation, "GPIO control"). */
const PULLS: Readonly<Record<string, string>> = { up: "pu", down: "pd", none: "pn" };

/**
 * What is asked of the board's lines and sysfs cannot do. With `auto` it depends on the kernel, and only the board can
 * say so; a configuration that chooses sysfs is wrong wherever it runs.
 */
export function checkSysfsLimits(
  gpio: Sections["gpio"] | undefined,
  items: readonly Item<unknown>[],
): Finding[] {
  if (gpio?.backend !== "sysfs") return [];
  return items.flatMap(({ list, path, raw, resolved }) => {
    // An expander's lines (`port:3`) do not go through sysfs.
    const lines = resolved.pins.flatMap((pin) => lineName(pin) ?? []).filter((line) => !line.includes(":"));
    const [line] = lines;
    if (line === undefined || !isMap(raw)) return [];
    if (list === "buses")
      return path.at(-1) === "recovery"
        ? [wrongKey(path, "GPIO through sysfs has no open drain, which the lines of a bus need")]
        : [];
    const { pull, drive } = raw;
    const word = typeof pull === "string" ? PULLS[pull] : undefined;
    return [
      ...(word === undefined
        ? []
        : [
            wrongKey(
              [...path, "pull"],
              `GPIO through sysfs cannot set a pull: put ${line.replace("GPIO", "gpio=")}=${word} into config.txt and leave "pull" out`,
            ),
          ]),
      ...(drive === "open_drain" || drive === "open_source"
        ? [wrongKey([...path, "drive"], `GPIO through sysfs cannot make an output ${drive}`)]
        : []),
    ];
  });
}
