import { parseArgs } from "node:util";
import { linuxClock } from "../device/linux/clock.ts";
import { nodeFiles } from "../outbox/files/node.ts";
import { type Inspection, inspectOutbox, type StoredEntry } from "../outbox/inspect.ts";
import { isoTime, toJson } from "../record/json.ts";
import { decodeSample } from "../record/record.ts";
import { sampleTime } from "../record/time.ts";
import { formatDurationMs } from "../schema/duration.ts";
import { formatSizeBytes } from "../schema/size.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { table } from "./table.ts";

const clock = linuxClock();
/** An export that is written somewhere slow must not gather in memory: so much text goes out at once. */
const EXPORT_CHUNK_CHARS = 64 * 1024;

/** `fieldpost buffer status|peek|export`: the outbox, from outside, whether the node runs or not. */
export async function buffer(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      path: { type: "string" },
      count: { type: "string", default: "10" },
      all: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
    allowPositionals: true,
    strict: true,
  });
  const [action, ...others] = positionals;
  if (others.length > 0 || !["status", "peek", "export"].includes(action ?? ""))
    throw wrongUsage("buffer takes one of status, peek and export");
  const count = Number(values.count);
  if (!Number.isSafeInteger(count) || count < 1)
    throw wrongUsage(`--count ${values.count}: expected a number from 1`);
  const path = values.path ?? (await loadOrExplain(values.config, io))?.buffer.path;
  if (path === undefined) return EXIT.config;
  const outbox = look(path);
  const which = values.all ? "all" : "unacknowledged";
  if (action === "status")
    io.stdout(values.json ? `${JSON.stringify(statusJson(outbox), null, 2)}\n` : statusText(path, outbox));
  else if (action === "export") await exportLines(outbox.entries(which), io);
  else {
    let shown = 0;
    for (const entry of outbox.entries(which)) {
      io.stdout(values.json ? `${line(entry)}\n` : peekText(entry));
      if (++shown >= count) break;
    }
    const left = (values.all ? Number.POSITIVE_INFINITY : outbox.depth) - shown;
    if (left > 0 && Number.isFinite(left))
      io.stderr(`${left} more; "fieldpost buffer export" writes them all\n`);
  }
  return EXIT.done;
}

function look(path: string): Inspection {
  try {
    return inspectOutbox(path, nodeFiles());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT")
      throw new CliError(EXIT.failed, `${path}: there is no outbox here: no node has run with it yet`);
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
    acked_seq: ackedSeq,
    last_seq: lastSeq,
    damaged,
  };
}

function statusText(path: string, outbox: Inspection): string {
  const { stream, run, ownerPid, depth, depthBytes, oldestWallMs, diskBytes, ackedSeq, lastSeq, damaged } =
    outbox;
  const oldest =
    oldestWallMs === undefined
      ? []
      : [
          [
            "oldest",
            `${isoTime(oldestWallMs)} (${formatDurationMs(Math.round((clock.wallMs() - oldestWallMs) / 1000) * 1000)} ago)`,
          ],
        ];
  return table([
    ["outbox", path],
    ["stream", `${stream ?? "-"}, run ${run}`],
    ["in use by", ownerPid === undefined ? "nobody" : `process ${ownerPid}`],
    ["waiting", `${depth} records, ${formatSizeBytes(depthBytes)}`],
    ...oldest,
    ["numbers", `up to ${lastSeq}, acknowledged up to ${ackedSeq}`],
    ["on disk", formatSizeBytes(diskBytes)],
    ...damaged.map((file) => ["damaged", `${file}: the next start sets it aside`]),
  ]);
}

function peekText(entry: StoredEntry): string {
  const { topic, fieldsJson, historical } = decodeSample(entry.record);
  const time = entry.wallMs === 0 ? "(clock not set)".padEnd(24) : isoTime(entry.wallMs);
  const marks = [historical ? "historical" : "", entry.acknowledged ? "acknowledged" : ""]
    .filter(Boolean)
    .join(", ");
  return `${String(entry.seq).padStart(8)}  ${time}  ${topic}  {${fieldsJson}}${marks && `  (${marks})`}\n`;
}

/** As the node would publish it, with the topic in front, so that a database can import it. */
function line({ seq, record }: StoredEntry): string {
  const sample = decodeSample(record);
  const json = toJson(seq, sampleTime(sample, clock), sample);
  return `{"topic":${JSON.stringify(sample.topic)},${json.slice(1)}`;
}

async function exportLines(entries: Iterable<StoredEntry>, io: CliIo): Promise<void> {
  let chunk = "";
  for (const entry of entries) {
    chunk += `${line(entry)}\n`;
    if (chunk.length < EXPORT_CHUNK_CHARS) continue;
    io.stdout(chunk);
    chunk = "";
    await new Promise(setImmediate);
  }
  io.stdout(chunk);
}
