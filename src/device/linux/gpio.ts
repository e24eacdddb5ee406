import type { Clock } from "../clock.ts";
import {
  type Bias,
  type Gpio,
  GpioError,
  type InputLine,
  type InputRequest,
  type LineId,
  type OutputLine,
  type OutputRequest,
  outputsOneByOne,
} from "../gpio.ts";
import { chooseChip, lineNumber, readChips } from "./gpio-chips.ts";
import { type Attribute, type ExportedLine, exportLine, toGpioError } from "./gpio-export.ts";
import { type OnoffModule, openInput } from "./gpio-input.ts";
import { openOutput } from "./gpio-output.ts";
import type { TextFiles } from "./text-files.ts";

export interface SysfsGpioOptions {
  readonly clock: Clock;
  readonly files: TextFiles;
  /** Name or label of the GPIO chip; default `auto`: the one behind the header. */
  readonly chip?: string;
  readonly load?: () => Promise<OnoffModule>;
}

/** config.txt's words for a pull (Raspberry Pi documentation, "GPIO control"). */
const PULLS: Readonly<Record<Bias, string>> = { up: "pu", down: "pd", none: "pn" };

/** GPIO through sysfs and onoff: for kernels without the character device's uAPI v2 (before 5.10). */
export function sysfsGpio({ clock, files, chip = "auto", load = loadOnoff }: SysfsGpioOptions): Gpio<LineId> {
  /** Sysfs does not tell users apart, so two of ours on one line are found out here. */
  const taken = new Set<number>();

  /** The kernel's number of a line. Asked before anything else: on a machine without GPIO no other advice is right. */
  const find = async (pin: LineId) => lineNumber(pin, chooseChip(await readChips(files), chip));

  async function take<L extends InputLine | OutputLine>(
    pin: LineId,
    number: number,
    attributes: readonly Attribute[],
    open: (line: ExportedLine) => Promise<L>,
  ): Promise<L> {
    const name = typeof pin === "number" ? `GPIO${pin}` : pin;
    if (taken.has(number)) throw new GpioError("taken", `${name} is already in use by this program`);
    taken.add(number);
    try {
      const opened = await open(await exportLine(files, clock, number, name, attributes));
      let held = true;
      return {
        ...opened,
        async close() {
          if (!held) return;
          held = false;
          await opened.close().finally(() => taken.delete(number));
        },
      };
    } catch (cause) {
      taken.delete(number);
      throw toGpioError(name, cause);
    }
  }

  return {
    async input(request) {
      const number = await find(request.pin);
      refuseBias(request);
      const onoff = await load();
      return take(request.pin, number, ["value", "direction", "active_low", "edge"], (line) =>
        openInput(onoff, line, request, clock),
      );
    },
    output,
    outputs: (requests) => outputsOneByOne(requests, output),
  };

  async function output(request: OutputRequest<LineId>): Promise<OutputLine> {
    const { pin, drive = "push_pull" } = request;
    const number = await find(pin);
    refuseBias(request);
    if (drive !== "push_pull") {
      throw new GpioError(
        "unsupported",
        `${pin}: GPIO through sysfs cannot make an output ${drive}: set gpio.backend to cdev (Linux 5.10 or newer)`,
      );
    }
    return take(pin, number, ["value", "direction", "active_low"], (line) => openOutput(line, request));
  }
}

function refuseBias({ pin, bias }: Pick<InputRequest<LineId>, "pin" | "bias">): void {
  if (bias === undefined) return;
  const number = String(pin).replace(/^GPIO/, "");
  throw new GpioError(
    "unsupported",
    `GPIO through sysfs cannot set a pull: put gpio=${number}=${PULLS[bias]} into config.txt and leave "pull" out`,
  );
}

async function loadOnoff(): Promise<OnoffModule> {
  try {
    return (await import("onoff")).default as unknown as OnoffModule;
  } catch (cause) {
    throw new GpioError(
      "unsupported",
      "the optional module onoff does not load here: npm install onoff (needs make and a C++ compiler)",
      { cause },
    );
  }
}
