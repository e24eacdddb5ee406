import { GpioError, type LineValue, type OutputLine, type OutputRequest } from "../gpio.ts";
import type { ExportedLine } from "./gpio-export.ts";

/**
 * An output through sysfs's files alone: `fieldpost safe` must work even where no native module loads, and onoff
 * would swallow errors on a line that an earlier run left exported.
 */
export async function openOutput(
  line: ExportedLine,
  { activeLow = false, initial }: Omit<OutputRequest, "pin">,
): Promise<OutputLine> {
  if (line.found) await stopInterrupts(line);
  await line.write("active_low", activeLow ? "1" : "0");
  // "high" and "low" set level and direction in one step, and mean the electrical level whatever active_low says.
  await line.write("direction", (initial === 1) !== activeLow ? "high" : "low");
  const direction = await line.read("direction");
  if (direction !== "out") throw new GpioError("io", `${line.name}: the line stays "${direction}"`);

  let told: LineValue = initial;
  let open = true;
  return {
    async set(value) {
      if (!open) throw new GpioError("io", `${line.name} was given back`);
      await line.write("value", `${value}`);
      told = value;
    },
    get: async () => told,
    /** The line stays exported: to unexport it may let go of its level (fivdi/onoff#89). */
    async close() {
      open = false;
    },
  };
}

/** A line that still serves as an interrupt, left over from an input, cannot become an output. */
async function stopInterrupts(line: ExportedLine): Promise<void> {
  const edge = await line.read("edge").catch(() => "none");
  if (edge !== "none") await line.write("edge", "none");
}
