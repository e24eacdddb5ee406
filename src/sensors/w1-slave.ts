import { crc8Dallas } from "./crc8.ts";
import { SensorError } from "./driver.ts";

/** The chip's range (DS18B20 datasheet, 19-7487 rev 6, "Benefits and Features"). */
const MIN_CELSIUS = -55;
const MAX_CELSIUS = 125;

/** What the temperature register holds after power-on (same, "Operation: Measuring Temperature"). */
const POWER_ON_CELSIUS = 85;

/**
 * Byte 6 of the scratchpad is 0x0c after power-on (figure 9); after a conversion genuine chips have 0x10 less the
 * sixteenths there. A clone that does neither cannot prove that it measured 85 °C, and is not believed.
 */
const CONVERTED_TO_WHOLE_DEGREE = 0x10;

const LINES = /^((?:[0-9a-f]{2} ){9}): crc=[0-9a-f]{2} (YES|NO)\s+(?:[0-9a-f]{2} ){9}t=(-?\d+)$/;

/**
 * Degrees Celsius from the text of a `w1_slave` file (kernel, drivers/w1/slaves/w1_therm.c). Its first line is the
 * scratchpad as it was just read; its second repeats the last one that was good, so a failed read still shows a
 * temperature there. Throws a {@link SensorError}:
 * - `disconnected`: an empty text (kernel 6.12 on any failure), all ones (nobody answers), all zeros (a shorted bus;
 *   their checksum is right)
 * - `crc`: the checksum is wrong
 * - `power_on_value`: 85 °C that no conversion produced
 * - `out_of_range`: outside -55..125 °C
 */
export function parseW1Slave(text: string): number {
  if (text.trim() === "") throw new SensorError("disconnected", "the thermometer gave no answer");
  const match = LINES.exec(text.trim());
  if (!match) throw new SensorError("crc", `not a w1_slave text: ${JSON.stringify(text.slice(0, 100))}`);
  const [, hex = "", verdict, milliCelsius] = match;
  const scratchpad = hex
    .trim()
    .split(" ")
    .map((byte) => Number.parseInt(byte, 16));
  refuseSilence(scratchpad);
  if (verdict === "NO" || crc8Dallas(scratchpad.slice(0, 8)) !== scratchpad[8]) {
    throw new SensorError("crc", `wrong checksum of ${hex.trim()}`);
  }
  const celsius = Number(milliCelsius) / 1000;
  if (celsius === POWER_ON_CELSIUS && !isMeasured(scratchpad)) {
    throw new SensorError(
      "power_on_value",
      "85 °C is the power-on value: the chip lost power before it measured",
    );
  }
  if (celsius < MIN_CELSIUS || celsius > MAX_CELSIUS) {
    throw new SensorError("out_of_range", `${celsius} °C is outside ${MIN_CELSIUS}..${MAX_CELSIUS} °C`);
  }
  return celsius;
}

function refuseSilence(scratchpad: readonly number[]): void {
  if (scratchpad.every((byte) => byte === 0)) {
    throw new SensorError("disconnected", "all zeros: the 1-Wire bus is shorted to ground");
  }
  if (scratchpad.every((byte) => byte === 0xff)) {
    throw new SensorError("disconnected", "all ones: nobody answers on the 1-Wire bus");
  }
}

function isMeasured(scratchpad: readonly number[]): boolean {
  return scratchpad[6] === CONVERTED_TO_WHOLE_DEGREE;
}
