import { parseArgs } from "node:util";
import { linuxClock } from "../device/linux/clock.ts";
import { messageOf } from "../log.ts";
import { boardChooser } from "../node/board.ts";
import { openSensor } from "../node/sensors.ts";
import type { SensorView } from "../node/view.ts";
import { isoTime } from "../record/json.ts";
import { fieldsOf, type Measurements } from "../sensors/driver.ts";
import { filteredFields, startFilters } from "../sensors/filters.ts";
import { assertFinite, roundToPrecision } from "../sensors/rounding.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { askNodeOn } from "./local.ts";
import { table } from "./table.ts";

/** `fieldpost read SENSOR [--config FILE] [--simulate] [--json]`: one reading, with its units. */
export async function read(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      simulate: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
    allowPositionals: true,
    strict: true,
  });
  const [id, ...others] = positionals;
  if (id === undefined || others.length > 0) throw wrongUsage("read takes one SENSOR: fieldpost read SENSOR");
  const config = await loadOrExplain(values.config, io);
  if (!config) return EXIT.config;
  const settings = config.sensors.find((sensor) => sensor.id === id);
  if (!settings) {
    const known = config.sensors.map((sensor) => sensor.id).join(", ");
    throw wrongUsage(`${values.config} has no sensor "${id}"; it has ${known || "none"}`);
  }
  const clock = linuxClock();
  const show = (reading: Measurements, wallMs: number, unitOf: (name: string) => string | undefined) =>
    io.stdout(
      values.json
        ? `${JSON.stringify({ sensor: id, time: isoTime(wallMs), ...reading })}\n`
        : table(Object.entries(reading).map(([name, value]) => [name, `${value} ${unitOf(name) ?? ""}`])),
    );
  // A running node has the buses: it takes the reading, and sends it as any other.
  const answer = values.simulate
    ? undefined
    : await askNodeOn(config.buffer.path, { do: "read", sensor: id });
  if (answer) {
    const { reading = {}, units, time_ms: wallMs } = answer.value as SensorView & { time_ms: number };
    show(reading, wallMs, (name) => units[name]);
    return EXIT.done;
  }
  const { board } = (await boardChooser(values.simulate))(config, clock);
  try {
    const sensor = await openSensor(board, settings, clock);
    const raw = await sensor.read();
    await sensor.close?.();
    assertFinite(raw);
    const fields = filteredFields(fieldsOf(settings.driver, settings.options), settings.filters);
    const reading = roundToPrecision(startFilters(settings.filters)(raw), fields);
    show(reading, clock.wallMs(), (name) => fields[name]?.unit);
    return EXIT.done;
  } catch (error) {
    throw new CliError(EXIT.failed, `${id}: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await board.close();
  }
}
