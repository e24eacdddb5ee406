import { parseArgs } from "node:util";
import * as v from "valibot";
import { loadActuatorKinds } from "../actuators/registry.ts";
import { formatAddress } from "../device/i2c.ts";
import { settings } from "../schema/settings.ts";
import { type AnySensorDriver, type Fields, fieldsOf } from "../sensors/driver.ts";
import { loadSensorDrivers } from "../sensors/registry.ts";
import { EXIT } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { table } from "./table.ts";

/** `fieldpost drivers [--json]`: the supported chips and kinds of actuators. */
export async function drivers(args: string[], io: CliIo): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { json: { type: "boolean", default: false } },
    strict: true,
  });
  const sensors = [...(await loadSensorDrivers()).values()]
    .sort((a, b) => a.name.localeCompare(b.name))
    .map(describeDriver);
  const actuators = [...(await loadActuatorKinds()).values()].map(({ name, description }) => ({
    name,
    description,
  }));
  io.stdout(
    values.json ? `${JSON.stringify({ sensors, actuators }, null, 2)}\n` : asTable(sensors, actuators),
  );
  return EXIT.done;
}

type SensorDescription = ReturnType<typeof describeDriver>;

function describeDriver(driver: AnySensorDriver) {
  return {
    name: driver.name,
    chip: driver.chip,
    description: driver.description,
    bus: driver.bus,
    addresses: driver.bus === "i2c" ? driver.addresses.map(formatAddress) : [],
    fields: defaultFields(driver),
    datasheet: driver.datasheet,
  };
}

/** The fields that the driver has where a configuration says nothing more; none where it must say something. */
function defaultFields(driver: AnySensorDriver): Fields {
  if (typeof driver.fields !== "function") return driver.fields;
  const options = v.safeParse(settings(driver.options as v.ObjectEntries), {});
  return fieldsOf(driver, options.output as Readonly<Record<string, unknown>>);
}

function asTable(
  sensors: readonly SensorDescription[],
  actuators: readonly { name: string; description: string }[],
) {
  const rows = sensors.map(({ name, chip, bus, addresses, fields }) => [
    name,
    chip,
    bus,
    addresses.join(" "),
    Object.entries(fields)
      .map(([field, { unit }]) => (unit === "" ? field : `${field} ${unit}`))
      .join(", "),
  ]);
  const kinds = actuators.map(({ name, description }) => [name, description]);
  return [
    table([["SENSOR", "CHIP", "BUS", "ADDRESSES", "FIELDS"], ...rows]),
    "\n",
    table([["ACTUATOR", "WHAT IT IS"], ...kinds]),
  ].join("");
}
