import { parseArgs } from "node:util";
import type { ActuatorConfig, Config, SensorConfig } from "../config/config.ts";
import { formatProblem } from "../config/problem.ts";
import { type Pin, pinInWords } from "../device/gpio.ts";
import { formatAddress } from "../device/i2c.ts";
import { formatServer } from "../mqtt/broker/server.ts";
import type { Rule } from "../rules/rule.ts";
import { formatDurationMs } from "../schema/duration.ts";
import { loadConfigFile, showProblems } from "./config-file.ts";
import { EXIT, wrongUsage } from "./exit.ts";
import { type CliIo, wantsColor } from "./io.ts";
import { table } from "./table.ts";

/** `fieldpost check FILE [--json]`: everything that is wrong with a configuration, or what it says in short. */
export async function check(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { json: { type: "boolean", default: false } },
    allowPositionals: true,
    strict: true,
  });
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0)
    throw wrongUsage("check takes one FILE: fieldpost check FILE [--json]");
  const result = await loadConfigFile(file, io);
  if (values.json) {
    const { ok } = result;
    const [problems, warnings] = result.ok ? [[], result.warnings] : [result.problems, []];
    io.stdout(`${JSON.stringify({ file, ok, problems, warnings }, null, 2)}\n`);
    return ok ? EXIT.done : EXIT.config;
  }
  if (!result.ok) {
    showProblems(result.problems, file, io);
    return EXIT.config;
  }
  const color = wantsColor(io);
  for (const warning of result.warnings)
    io.stderr(`${formatProblem(warning, { color, severity: "warning" })}\n`);
  io.stdout(`${file}: ok\n${summary(result.config)}`);
  return EXIT.done;
}

function summary({ device, mqtt, sensors, actuators, rules }: Config): string {
  const rows = [
    ["device", device.name === undefined ? device.id : `${device.id} (${device.name})`],
    ["broker", mqtt.url.map(formatServer).join(", then ")],
    ["topics", `${mqtt.topic_root}/...`],
  ];
  return [
    table(rows, "  "),
    ...section("sensors", sensors.map(sensorRow)),
    ...section("actuators", actuators.map(actuatorRow)),
    ...section("rules", rules.map(ruleRow)),
  ].join("");
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : [`  ${title}\n`, table(rows, "    ")];
}

function sensorRow({
  id,
  driver,
  options,
  bus,
  i2cPath,
  address,
  devicePath,
  interval,
}: SensorConfig): string[] {
  const path = i2cPath === undefined || i2cPath === bus ? "" : ` (${i2cPath})`;
  const place =
    driver.bus === "i2c"
      ? `${bus}${path} ${formatAddress(address!)}`
      : driver.bus === "gpio"
        ? pinsInWords(driver.pins(options))
        : driver.bus === "kernel"
          ? [options["name"], bus && `${bus}${path} ${formatAddress(address!)}`].filter(Boolean).join(", ")
          : driver.bus === "one_wire"
            ? "1-Wire"
            : (devicePath ?? "");
  return [id, driver.name, place, `every ${formatDurationMs(interval)}`];
}

function actuatorRow({ id, kind, options, initial, safe }: ActuatorConfig): string[] {
  return [id, kind.name, pinsInWords(kind.pins(options)), `initially ${initial}, safe ${safe}`];
}

function ruleRow({ id, words, set, otherwise }: Rule): string[] {
  const sides = [set, otherwise].map((wishes) =>
    Object.entries(wishes)
      .map(([actuator, { set }]) => `${actuator} ${set}`)
      .join(", "),
  );
  return [id, words, sides.filter((side) => side !== "").join("; otherwise ")];
}

function pinsInWords(pins: readonly Pin[]): string {
  return pins.map(pinInWords).join(", ");
}
