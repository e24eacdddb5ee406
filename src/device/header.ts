import {
  type Gpio,
  GpioError,
  type HeaderPin,
  type InputRequest,
  type LineId,
  type OutputRequest,
  type Pin,
} from "./gpio.ts";

/**
 * - `40`: every Raspberry Pi since the Model B+, also 5, and the carrier boards of the Compute Modules
 * - `26`: Model A and Model B revision 2
 * - `26-rev1`: the first Model B
 */
export type HeaderLayout = "40" | "26" | "26-rev1";

/**
 * BCM numbers by pin of the 40-pin header; the pins left out are power and ground. Source: Raspberry Pi documentation,
 * "GPIO and the 40-pin header". The first 26 are those of the older header.
 */
const FORTY: Readonly<Record<number, number>> = {
  ...{ 3: 2, 5: 3, 7: 4, 8: 14, 10: 15, 11: 17, 12: 18, 13: 27, 15: 22, 16: 23, 18: 24, 19: 10, 21: 9 },
  ...{ 22: 25, 23: 11, 24: 8, 26: 7, 27: 0, 28: 1, 29: 5, 31: 6, 32: 12, 33: 13, 35: 19, 36: 16, 37: 26 },
  ...{ 38: 20, 40: 21 },
};

/** Where the first Model B differs (Raspberry Pi user guide, "GPIO pinout diagrams"; elinux.org, RPi Low-level peripherals). */
const FIRST_MODEL_B: Readonly<Record<number, number>> = { 3: 0, 5: 1, 13: 21 };

const LAST_OF_26 = 26;
const LAST_OF_40 = 40;

export function isOnHeader(pin: number): boolean {
  return pin >= 1 && pin <= LAST_OF_40;
}

/** BCM number of a pin of the 40-pin header; undefined where it is power or ground on every board. */
export function bcmOfHeader(pin: number): number | undefined {
  return FORTY[pin];
}

/** Throws `no_line` where the header has no such line. */
export function headerLine({ header }: HeaderPin, layout: HeaderLayout): number {
  const number = layout === "26-rev1" ? (FIRST_MODEL_B[header] ?? FORTY[header]) : FORTY[header];
  if (layout !== "40" && header > LAST_OF_26)
    throw new GpioError("no_line", `header pin ${header}: this board's header has ${LAST_OF_26} pins`);
  if (number === undefined)
    throw new GpioError("no_line", `header pin ${header} is power or ground, not a GPIO line`);
  return number;
}

/**
 * Which header a board has; undefined where it is no Raspberry Pi. `revision` is the hexadecimal word of
 * `/proc/cpuinfo`. Source: Raspberry Pi documentation, "Raspberry Pi revision codes": up to 0x0f they number the boards
 * with 26 pins, of which 2 and 3 are Model B revision 1; bit 24 says that the board has been over-volted.
 */
export function headerLayout(model: string, revision: string | undefined): HeaderLayout | undefined {
  if (!model.startsWith("Raspberry Pi")) return undefined;
  const code = Number.parseInt(revision ?? "", 16) & 0xff_ff_ff;
  if (code === 2 || code === 3) return "26-rev1";
  return code > 3 && code <= 0x0f ? "26" : "40";
}

/** Lets lines be named by pins of the header. `layout` is asked only where one is. Throws where the board has none. */
export function withHeaderPins(
  gpio: Gpio<LineId>,
  layout: () => HeaderLayout | undefined,
  model: string,
): Gpio<Pin> {
  function lineOf(pin: Pin): LineId {
    if (typeof pin !== "object") return pin;
    const known = layout();
    if (known !== undefined) return headerLine(pin, known);
    throw new GpioError(
      "no_line",
      `header pin ${pin.header}: only a Raspberry Pi's header is known, and this is "${model}": use the line's name or number`,
    );
  }
  const named = <R extends InputRequest | OutputRequest>(request: R) => ({
    ...request,
    pin: lineOf(request.pin),
  });
  return {
    input: async (request) => gpio.input(named(request)),
    output: async (request) => gpio.output(named(request)),
    outputs: async (requests) => gpio.outputs(requests.map(named)),
  };
}
