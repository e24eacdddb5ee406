import type { Config } from "../config/config.ts";

const BEGIN = "# fieldpost: what its sensors and outputs need";
const END = "# fieldpost: end";
const ONE_WIRE_PIN = 4;
const MAIN_I2C = "/dev/i2c-1";

/** The firmware's settings that a configuration needs (config.txt of Raspberry Pi OS), each with its reason. */
export function firmwareLines({
  sensors,
  actuators,
}: Pick<Config, "sensors" | "actuators">): readonly string[] {
  const buses = new Set<string>(sensors.map(({ driver }) => driver.bus));
  const kinds = new Set(actuators.map(({ kind }) => kind.name));
  const onMainI2c = sensors.some(
    ({ driver, i2cPath = MAIN_I2C }) => driver.bus === "i2c" && i2cPath === MAIN_I2C,
  );
  return [
    ...(onMainI2c ? ["dtparam=i2c_arm=on"] : []),
    ...(buses.has("spi") ? ["dtparam=spi=on"] : []),
    ...(buses.has("serial") ? ["enable_uart=1"] : []),
    ...(buses.has("one_wire") ? [`dtoverlay=w1-gpio,gpiopin=${ONE_WIRE_PIN}`] : []),
    ...(kinds.has("pwm") || kinds.has("servo") ? ["dtoverlay=pwm-2chan"] : []),
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
