import type { Config } from "../config/config.ts";
import { withBuses } from "../config/expanders.ts";
import { overlayFor } from "./overlays.ts";

const BEGIN = "# fieldpost: what its sensors and outputs need";
const END = "# fieldpost: end";
const ONE_WIRE_PIN = 4;
const MAIN_I2C = "/dev/i2c-1";

/** The firmware's settings that a configuration needs (config.txt of Raspberry Pi OS), each with its reason. */
export function firmwareLines({
  sensors,
  actuators,
  expanders,
  buses: i2cBuses,
}: Pick<Config, "sensors" | "actuators" | "expanders" | "buses">): readonly string[] {
  const buses = new Set<string>(sensors.map(({ driver }) => driver.bus));
  const makesWaves = actuators.some(
    ({ kind, options }) => ["pwm", "servo"].includes(kind.name) && options["expander"] === undefined,
  );
  const chips = [
    ...sensors.filter(({ driver }) => driver.bus === "i2c"),
    ...actuators.filter(({ bus }) => bus !== undefined),
    ...Object.values(withBuses({ expanders, buses: i2cBuses })),
  ];
  // On another bus the line depends on the board's model, and on pins that only its owner knows.
  const overlays = sensors
    .filter(({ i2cPath = MAIN_I2C }) => i2cPath === MAIN_I2C)
    .flatMap((sensor) => overlayFor(sensor) ?? []);
  const onMainI2c =
    overlays.some((line) => line.includes("i2c-sensor")) ||
    chips.some(({ i2cPath = MAIN_I2C }) => i2cPath === MAIN_I2C);
  return [
    ...(onMainI2c ? ["dtparam=i2c_arm=on"] : []),
    ...(buses.has("spi") ? ["dtparam=spi=on"] : []),
    ...(buses.has("serial") ? ["enable_uart=1"] : []),
    ...(buses.has("one_wire") ? [`dtoverlay=w1-gpio,gpiopin=${ONE_WIRE_PIN}`] : []),
    ...new Set(overlays),
    ...(makesWaves ? ["dtoverlay=pwm-2chan"] : []),
    "dtparam=watchdog=on",
  ];
}

/** `config.txt` with these lines for every model, in a block of its own that replaces one from before. */
export function withFirmwareLines(text: string, lines: readonly string[]): string {
  const kept = withoutBlock(text.replaceAll("\r\n", "\n")).trimEnd();
  return `${kept}\n\n[all]\n${[BEGIN, ...lines, END].join("\n")}\n`;
}

function withoutBlock(text: string): string {
  const begin = text.indexOf(`[all]\n${BEGIN}\n`);
  const end = text.indexOf(END, begin);
  return begin < 0 || end < 0 ? text : text.slice(0, begin) + text.slice(end + END.length).replace(/^\n/, "");
}
