import { parseArgs } from "node:util";
import { SERVICE_SOCKET, socketInOutbox } from "../local/protocol.ts";
import type { NodeView, SensorView } from "../node/view.ts";
import { formatSizeBytes } from "../schema/size.ts";
import { loadOrExplain } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import { forecastRows } from "./forecast.ts";
import { type CliIo, wantsColor } from "./io.ts";
import { ask, askNodeOn } from "./local.ts";
import { span } from "./span.ts";
import { table } from "./table.ts";

const ENDS: Readonly<Record<string, string>> = {
  none: "the first",
  clean: "the one before ended in order",
  killed: "the one before was killed",
  power_cut: "the one before ended by a power cut",
};

/** `fieldpost status [--config FILE] [--json]`: the running node, over its local socket. */
export async function status(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c" },
      json: { type: "boolean", default: false },
    },
    allowPositionals: true,
    strict: true,
  });
  if (positionals.length > 0) throw wrongUsage("status takes no arguments but options");
  const view = await look(values.config, io);
  if (view === undefined) return EXIT.config;
  io.stdout(values.json ? `${JSON.stringify(view, null, 2)}\n` : text(view, wantsColor(io)));
  return EXIT.done;
}

/** Undefined: the configuration is wrong, and has been explained. */
async function look(file: string | undefined, io: CliIo): Promise<NodeView | undefined> {
  if (file === undefined) {
    const answer = await ask([SERVICE_SOCKET], { do: "status" });
    if (answer) return answer.value as NodeView;
    throw new CliError(
      EXIT.failed,
      `no node answers on ${SERVICE_SOCKET}: "systemctl status fieldpost" tells why; one run by hand is found by --config FILE`,
    );
  }
  const config = await loadOrExplain(file, io);
  if (!config) return undefined;
  const answer = await askNodeOn(config.buffer.path, { do: "status" });
  if (answer) return answer.value as NodeView;
  throw new CliError(
    EXIT.failed,
    `no node runs with ${file}: nobody answers on ${socketInOutbox(config.buffer.path)} or ${SERVICE_SOCKET}`,
  );
}

function text(view: NodeView, color: boolean): string {
  const paint = (code: number, words: string) => (color ? `\x1b[${code}m${words}\x1b[0m` : words);
  const good = (words: string) => paint(32, words);
  const bad = (words: string) => paint(31, words);
  const { outbox, link, sensors, actuators } = view;
  const title = view.name === undefined ? view.device : `${view.device}, ${view.name}`;
  const rows = [
    ["running", `for ${span(view.uptime_s)}, process ${view.pid}`],
    ["boot", `${view.boot} (${ENDS[view.last_exit] ?? view.last_exit})`],
    ["clock", view.clock === "synced" ? view.time : bad(`${view.time}, not set yet`)],
    ["broker", linkText(link, good, bad)],
    ["outbox", outboxText(outbox)],
    ...(outbox.fault === undefined ? [] : [["", bad(`the disk fails: ${outbox.fault}`)]]),
    ...forecastRows(view.forecast),
  ];
  return [
    `${paint(1, title)}  fieldpost ${view.version} on ${view.board}\n`,
    table(rows, "  "),
    ...(sensors.length === 0 ? [] : ["\n", table(sensors.map((sensor) => sensorRow(sensor, good, bad)))]),
    ...(actuators.length === 0
      ? []
      : ["\n", table(actuators.map((actuator) => actuatorRow(actuator, good, bad)))]),
  ].join("");
}

type Paint = (words: string) => string;

function linkText(link: NodeView["link"], good: Paint, bad: Paint): string {
  const again = link.reconnects === 0 ? "" : `; connected again ${times(link.reconnects)}`;
  const away = link.away_from === undefined ? "" : `, until ${link.away_from} is back`;
  if (link.connected)
    return `${good("connected")} to ${link.server} by MQTT ${link.mqtt ?? "?"} for ${span(link.since_s)}${away}${again}`;
  const why = link.last_error === undefined ? "" : `: ${link.last_error.replace(`${link.server}: `, "")}`;
  return `${bad("not connected")} to ${link.server} for ${span(link.since_s)}${why}${again}`;
}

function outboxText({
  depth,
  bytes,
  oldest,
  disk_bytes,
  max_size,
  last_seq,
  dropped,
  given_up,
}: NodeView["outbox"]): string {
  const waiting =
    depth === 0
      ? "nothing waits"
      : `${depth} waiting (${formatSizeBytes(bytes)}${oldest === undefined ? "" : `, the oldest of ${oldest}`})`;
  const given = given_up === 0 ? "" : `; ${given_up} readings between them given up, as it was full`;
  const lost = dropped === 0 ? "" : `; ${dropped} dropped in this run`;
  return `${waiting}; ${formatSizeBytes(disk_bytes)} of ${formatSizeBytes(max_size)} taken; latest record ${last_seq}${given}${lost}`;
}

function sensorRow(sensor: SensorView, good: Paint, bad: Paint): string[] {
  const { id, driver, fault, age_s: ageS } = sensor;
  const reading = Object.entries(sensor.reading ?? {}).map(([name, value]) =>
    `${name} ${value} ${sensor.units[name] ?? ""}`.trimEnd(),
  );
  const last = reading.length === 0 ? "" : `${reading.join(", ")}, ${span(ageS ?? 0)} ago`;
  if (fault === undefined) return [`${good("●")} ${id}`, driver, last || "no reading yet"];
  const failing = `failing for ${span(fault.since_s)}, ${times(fault.failures)}: ${fault.error}`;
  return [`${bad("●")} ${id}`, driver, last === "" ? failing : `${failing} (last: ${last})`];
}

function actuatorRow(actuator: NodeView["actuators"][number], good: Paint, bad: Paint): string[] {
  const { id, state, cause, since_s: sinceS, until_s: untilS, error } = actuator;
  if (state === undefined) return [`${bad("●")} ${id}`, "unknown", error ?? "not opened yet"];
  const until = untilS === undefined ? "" : `, for another ${span(untilS)}`;
  return [`${good("●")} ${id}`, String(state), `for ${span(sinceS ?? 0)}, by ${cause}${until}`];
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
