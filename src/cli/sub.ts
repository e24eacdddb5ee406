import { parseArgs } from "node:util";
import { linuxClock } from "../device/linux/clock.ts";
import type { Incoming } from "../mqtt/link/link.ts";
import { checkFilter } from "../mqtt/messages/hub.ts";
import { eitherAborts } from "../mqtt/session/aborts.ts";
import { isoTime } from "../record/json.ts";
import { parseDurationMs } from "../schema/duration.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { parseQos } from "./pub.ts";
import { visit } from "./visitor.ts";

/** `fieldpost sub FILTER`: what comes at the node's own broker, a line a message, until Ctrl-C, `--count` or `--for`. */
export async function sub(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      qos: { type: "string", default: "1" },
      count: { type: "string" },
      for: { type: "string" },
      json: { type: "boolean", default: false },
    },
    allowPositionals: true,
    strict: true,
  });
  const [filter, ...others] = positionals;
  if (filter === undefined || others.length > 0)
    throw wrongUsage(
      "sub takes one FILTER, such as 'fieldpost/#' (in quotes: the shell reads # and + itself)",
    );
  const qos = parseQos(values.qos);
  const count = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count);
  if (values.count !== undefined && !(Number.isSafeInteger(count) && count > 0))
    throw wrongUsage(`--count ${values.count}: expected a number from 1`);
  const forMs = values.for === undefined ? undefined : parseDurationMs(values.for);
  if (values.for !== undefined && !forMs)
    throw wrongUsage(`--for ${values.for}: expected a duration such as 10s`);
  try {
    checkFilter(filter);
  } catch (error) {
    throw wrongUsage((error as Error).message);
  }
  const config = await loadOrExplain(values.config, io);
  if (!config) return EXIT.config;

  const clock = linuxClock();
  const ended = new AbortController();
  const end = () => ended.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  let seen = 0;
  const show = (message: Incoming) => {
    if (seen >= count) return;
    io.stdout(`${values.json ? asJson(message, clock.wallMs()) : asText(message)}\n`);
    if (++seen === count) end();
  };
  try {
    const link = await visit(config, show, ended.signal);
    if (forMs !== undefined) void clock.sleep(forMs, ended.signal).then(end);
    await link.subscribe([filter], qos);
    await eitherAborts(link.closed, ended.signal);
    if (link.closed.aborted) throw link.closed.reason;
    await link.end();
    return EXIT.done;
  } catch (error) {
    if (ended.signal.aborted) return EXIT.done;
    if (error instanceof CliError) throw error;
    throw new CliError(EXIT.failed, `${filter}: ${(error as Error).message}`, { cause: error });
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Undefined where the payload is no text. */
function textOf(payload: Uint8Array): string | undefined {
  try {
    return utf8.decode(payload);
  } catch {
    return undefined;
  }
}

function asText({ topic, payload }: Incoming): string {
  const text = textOf(payload);
  return `${topic} ${text ?? `(${payload.length} bytes) ${Buffer.from(payload).toString("hex")}`}`;
}

function asJson({ topic, payload, qos, retain }: Incoming, wallMs: number): string {
  const text = textOf(payload);
  const what =
    text === undefined ? { payload_base64: Buffer.from(payload).toString("base64") } : { payload: text };
  return JSON.stringify({ time: isoTime(wallMs), topic, qos, retain, ...what });
}
