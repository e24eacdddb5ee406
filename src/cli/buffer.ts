import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { Config } from "../config/config.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { BOOT_TIMES, parseBootTimes } from "../node/boot-times.ts";
import { type ForecastJson, forecastJson, limitsOf, predict } from "../node/forecast.ts";
import { outboxOptions } from "../node/outbox-options.ts";
import type { NodeView } from "../node/view.ts";
import { nodeFiles } from "../outbox/files/node.ts";
import { type Inspection, inspectOutbox, type StoredEntry } from "../outbox/inspect.ts";
import { isoTime } from "../record/json.ts";
import { decodeMessage } from "../record/message.ts";
import { decodeSample } from "../record/record.ts";
import type { BootOffsets } from "../record/time.ts";
import { formatSizeBytes } from "../schema/size.ts";
import { exportLine, exportLines } from "./buffer-export.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import { forecastRows } from "./forecast.ts";
import type { CliIo } from "./io.ts";
import { askNodeOn } from "./local.ts";
import { span } from "./span.ts";
import { table } from "./table.ts";

const clock = linuxClock();
const ACTIONS = ["status", "peek", "export", "drop"];

/** `fieldpost buffer status|peek|export|drop`: the outbox, from outside, whether the node runs or not. */
export async function buffer(args: string[], io: CliIo, version: string): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      path: { type: "string" },
      count: { type: "string", default: "10" },
      all: { type: "boolean", default: false },
      "to-seq": { type: "string" },
      yes: { type: "boolean", short: "y", default: false },
      json: { type: "boolean", default: false },
    },
    allowPositionals: true,
    strict: true,
  });
  const [action, ...others] = positionals;
  if (others.length > 0 || !ACTIONS.includes(action ?? ""))
    throw wrongUsage("buffer takes one of status, peek, export and drop");
  const count = wholeNumber("--count", values.count);
  const toSeq = values["to-seq"] === undefined ? undefined : wholeNumber("--to-seq", values["to-seq"]);
  const config = values.path === undefined ? await loadOrExplain(values.config, io) : undefined;
  const path = values.path ?? config?.buffer.path;
  if (path === undefined) return EXIT.config;
  const outbox = look(path, config?.buffer.tail);
  const which = values.all ? "all" : "unacknowledged";
  const origin = { stream: outbox.stream, device: config?.device.id, boots: await bootsBeside(path) };
  if (action === "drop") {
    const settings = config && outboxOptions(config);
    return (await import("./buffer-drop.ts")).drop(
      { outbox, path, settings, toSeq, yes: values.yes, version },
      io,
    );
  }
  if (action === "status") {
    const node = outbox.ownerPid === undefined ? undefined : await viewOn(path);
    const forecast = node?.forecast ?? storedForecast(outbox, config);
    const { fault, dropped } = node?.outbox ?? {};
    const json = { ...statusJson(outbox), dropped, fault, forecast };
    const told = { fault, dropped, forecast };
    io.stdout(values.json ? `${JSON.stringify(json, null, 2)}\n` : statusText(path, outbox, told));
  } else if (action === "export") await exportLines(outbox, which, origin, io);
  else {
    let shown = 0;
    for (const entry of outbox.entries(which)) {
      io.stdout(values.json ? `${exportLine(entry, origin)}\n` : peekText(entry));
      if (++shown >= count) break;
    }
    const left = (values.all ? Number.POSITIVE_INFINITY : outbox.depth) - shown;
    if (left > 0 && Number.isFinite(left))
      io.stderr(`${left} more; "fieldpost buffer export" writes them all\n`);
  }
  return EXIT.done;
}

async function bootsBeside(path: string): Promise<BootOffsets> {
  const text = await readFile(`${path}/${BOOT_TIMES}`, "utf8").catch(() => undefined);
  const offsets = parseBootTimes(text);
  return { offsetMs: (bootId) => offsets.get(bootId) };
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw wrongUsage(`${option} ${text}: expected a number from 1`);
  return value;
}

/** What the running node says. One that does not answer has its own trouble; this command shows what the files say. */
async function viewOn(path: string): Promise<NodeView | undefined> {
  return (await askNodeOn(path, { do: "status" }).catch(() => undefined))?.value as NodeView | undefined;
}

/** Without the measurements of a running node: what the segments tell. */
function storedForecast(
  { intake, depth, depthBytes, stored }: Inspection,
  config: Config | undefined,
): ForecastJson {
  if (intake === undefined || config === undefined) return forecastJson({});
  return forecastJson(predict(intake, { depth, depthBytes, stored, ...limitsOf(outboxOptions(config)) }));
}

function look(path: string, tail: string | undefined): Inspection {
  const nothingHere = () => new CliError(EXIT.failed, `${path}: there is no outbox here`);
  try {
    const outbox = inspectOutbox(path, nodeFiles(), tail);
    // Whoever names the folder beside it must not take its records for delivered.
    if (outbox.stream === undefined && outbox.damaged.length === 0) throw nothingHere();
    return outbox;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw nothingHere();
    if (code === "EACCES")
      throw new CliError(EXIT.failed, `${path}: this user may not read it; try as the node's user`);
    throw error;
  }
}

function statusJson({
  stream,
  run,
  ownerPid,
  depth,
  depthBytes,
  oldestWallMs,
  diskBytes,
  givenUp,
  ackedSeq,
  lastSeq,
  damaged,
}: Inspection) {
  return {
    stream,
    run,
    owner_pid: ownerPid,
    depth,
    depth_bytes: depthBytes,
    oldest: oldestWallMs === undefined ? undefined : isoTime(oldestWallMs),
    disk_bytes: diskBytes,
    given_up: givenUp,
    acked_seq: ackedSeq,
    last_seq: lastSeq,
    damaged,
  };
}

/** What the files do not tell. */
interface Told {
  readonly fault: string | undefined;
  /** In the run of the node that runs. */
  readonly dropped: number | undefined;
  readonly forecast: ForecastJson;
}

function statusText(path: string, outbox: Inspection, { fault, dropped = 0, forecast }: Told): string {
  const {
    stream,
    run,
    ownerPid,
    depth,
    depthBytes,
    oldestWallMs,
    diskBytes,
    givenUp,
    ackedSeq,
    lastSeq,
    damaged,
  } = outbox;
  const oldest =
    oldestWallMs === undefined
      ? []
      : [["oldest", `${isoTime(oldestWallMs)} (${span((clock.wallMs() - oldestWallMs) / 1000)} ago)`]];
  return table([
    ["outbox", path],
    ["stream", `${stream ?? "-"}, run ${run}`],
    ["in use by", ownerPid === undefined ? "nobody" : `process ${ownerPid}`],
    ["waiting", `${depth} records, ${formatSizeBytes(depthBytes)}`],
    ...oldest,
    ["numbers", `up to ${lastSeq}, acknowledged up to ${ackedSeq}`],
    ["on disk", formatSizeBytes(diskBytes)],
    ...(fault === undefined
      ? []
      : [["disk fails", `${fault}: the youngest records are only in the node's memory`]]),
    ...(dropped > 0 ? [["dropped", `${dropped} records in this run`]] : []),
    ...(givenUp > 0
      ? [["given up", `${givenUp} readings between those that wait, as the outbox was full`]]
      : []),
    ...forecastRows(forecast),
    ...damaged.map((file) => ["damaged", `${file}: the next start sets it aside`]),
  ]);
}

function peekText(entry: StoredEntry): string {
  const message = decodeMessage(entry.record);
  if (message)
    return `${String(entry.seq).padStart(8)}  ${"(your message)".padEnd(24)}  ${message.topic}  ${message.payload.length} bytes\n`;
  const { topic, fieldsJson, historical } = decodeSample(entry.record);
  const time = entry.wallMs === 0 ? "(clock not set)".padEnd(24) : isoTime(entry.wallMs);
  const marks = [historical ? "historical" : "", entry.acknowledged ? "acknowledged" : ""]
    .filter(Boolean)
    .join(", ");
  return `${String(entry.seq).padStart(8)}  ${time}  ${topic}  {${fieldsJson}}${marks && `  (${marks})`}\n`;
}
