import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { asJson } from "../audit/decode.ts";
import { Ledger, type Verdict } from "../audit/ledger.ts";
import { formatMissing } from "../audit/losses.ts";
import type { Config } from "../config/config.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { systemRandom } from "../device/linux/random.ts";
import { silentLog } from "../log.ts";
import { formatServer, parseServer, type Server } from "../mqtt/broker/server.ts";
import { openLink } from "../mqtt/link/connect.ts";
import { networkDial } from "../mqtt/link/dial.ts";
import { type OpenLink, UnsupportedVersionError } from "../mqtt/link/link.ts";
import { eitherAborts } from "../mqtt/session/aborts.ts";
import { backoffMs } from "../mqtt/session/backoff.ts";
import { parseDurationMs } from "../schema/duration.ts";
import { loadOrExplain } from "./config-file.ts";
import { EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { table } from "./table.ts";

/** While the auditor itself is cut off, the broker keeps its messages this long. */
const SESSION_EXPIRY_MS = 3_600_000;
const RECONNECT = { minMs: 500, maxMs: 10_000 };
const REPORT_EVERY_MS = 10_000;

/**
 * `fieldpost audit --broker URL DEVICE...`: subscribes and keeps account of every record, until Ctrl-C or `--for`.
 * Ends with 1 where a record is missing that no node reported lost.
 */
export async function audit(args: string[], io: CliIo): Promise<number> {
  const { values, positionals: devices } = parseArgs({
    args,
    options: {
      broker: { type: "string" },
      config: { type: "string", short: "c" },
      for: { type: "string" },
      root: { type: "string" },
      username: { type: "string" },
      ca: { type: "string" },
      json: { type: "boolean", default: false },
    },
    allowPositionals: true,
    strict: true,
  });
  if ((values.broker === undefined && values.config === undefined) || devices.length === 0)
    throw wrongUsage(
      "audit needs a broker and devices: fieldpost audit --broker mqtt://HOST DEVICE..., or --config FILE with a node's broker",
    );
  const config = values.config === undefined ? undefined : await loadOrExplain(values.config, io);
  if (values.config !== undefined && !config) return EXIT.config;
  const servers = values.broker === undefined ? config!.mqtt.url : [serverAt(values.broker)];
  let turn = 0;
  const forMs = values.for === undefined ? undefined : parseDurationMs(values.for);
  if (values.for !== undefined && forMs === undefined)
    throw wrongUsage(`--for ${values.for}: expected a duration such as 10s, 5m or 2h`);

  const clock = linuxClock();
  const ledgers = new Map(devices.map((device) => [device, new Ledger(device)]));
  const prefix = `${values.root ?? rootOf(config)}/`;
  const observe = (topic: string, payload: Uint8Array) => {
    const [device = "", ...rest] = topic.slice(prefix.length).split("/");
    ledgers.get(device)?.observe(rest.join("/"), asJson(payload));
  };
  const verdicts = () => [...ledgers.values()].map((ledger) => ledger.verdict());
  const ended = new AbortController();
  const end = () => ended.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  let told = "";
  const tell = () => {
    const now = progress(verdicts());
    if (now !== told) io.stderr(now);
    told = now;
  };
  const reporting = report(tell, clock.sleep, ended.signal);

  const clientId = `fieldpost-audit-${Math.floor(systemRandom() * 1e9).toString(36)}`;
  const username = values.username ?? config?.mqtt.username;
  const password = io.env["FIELDPOST_PASSWORD"] ?? config?.mqtt.password;
  const tls =
    values.ca === undefined ? config?.mqtt.tls : { ...config?.mqtt.tls, ca: values.ca, insecure: false };
  const dial = networkDial(tls, (path) => readFile(path));
  let address = "";
  const open: Open = async (version, sessionExpiryMs, signal) => {
    const server = servers[turn % servers.length]!;
    address = formatServer(server);
    try {
      return await openLink(
        {
          server,
          version,
          clientId,
          username,
          password,
          keepaliveMs: 25_000,
          sessionExpiryMs,
          onMessage: ({ topic, payload, retain }) => {
            if (!retain) observe(topic, payload);
          },
          clock,
          log: silentLog,
        },
        dial,
        signal,
      );
    } catch (error) {
      if (!(error instanceof UnsupportedVersionError)) turn++;
      throw error;
    }
  };
  const listening = listen(
    open,
    devices.map((device) => `${prefix}${device}/#`),
    {
      sleep: clock.sleep,
      signal: ended.signal,
      said: (text) => io.stderr(`${text.startsWith(address) ? "" : `${address}: `}${text}\n`),
    },
  );
  if (forMs !== undefined) await clock.sleep(forMs, ended.signal);
  else await new Promise((resolve) => ended.signal.addEventListener("abort", resolve, { once: true }));
  end();
  await Promise.all([listening, reporting]);
  process.off("SIGINT", end).off("SIGTERM", end);

  const final = verdicts();
  if (values.json) io.stdout(`${JSON.stringify(final, null, 2)}\n`);
  else io.stdout(summary(final));
  return final.every(({ lost, received }) => lost === 0 && received > 0) ? EXIT.done : EXIT.failed;
}

/** What stands before the device in a node's topics, where its topics name the device last. */
function rootOf(config: Config | undefined): string {
  const root = config?.mqtt.topic_root ?? "";
  const tail = `/${config?.device.id}`;
  return root.endsWith(tail) ? root.slice(0, -tail.length) : "fieldpost";
}

function serverAt(url: string): Server {
  try {
    return parseServer(url);
  } catch (error) {
    throw wrongUsage(`--broker: ${(error as Error).message}`);
  }
}

interface Listening {
  readonly sleep: (durationMs: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  readonly said: (text: string) => void;
}

type Open = (version: 4 | 5, sessionExpiryMs: number, signal: AbortSignal) => Promise<OpenLink>;

/** Leaves nothing at the broker: MQTT 3.1.1 forgets a session only when its client comes back for a clean one. */
async function sayGoodbye(link: OpenLink, open: Open): Promise<void> {
  await link.end({ forgetSession: true });
  if (link.version === 5) return;
  const clean = await open(4, 0, new AbortController().signal).catch(() => undefined);
  await clean?.end();
}

/** Holds a subscription until `signal` aborts, over as many connections as it takes. */
async function listen(
  open: Open,
  filters: readonly string[],
  { sleep, signal, said }: Listening,
): Promise<void> {
  let version: 4 | 5 = 5;
  // An outage is told once, not at each attempt.
  const told = new Set<string>();
  const failed = (error: Error) => {
    if (!told.has(error.message)) said(error.message);
    told.add(error.message);
  };
  for (let failures = 0; !signal.aborted; ) {
    try {
      const link = await open(version, SESSION_EXPIRY_MS, signal);
      const giveUp = () => link.abandon(new Error("the audit ended"));
      signal.addEventListener("abort", giveUp, { once: true });
      await link.subscribe(filters);
      signal.removeEventListener("abort", giveUp);
      said(`listening to ${filters.join(", ")}`);
      told.clear();
      failures = 0;
      await eitherAborts(link.closed, signal);
      if (signal.aborted) return await sayGoodbye(link, open);
      failed(link.closed.reason as Error);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof UnsupportedVersionError && version === 5) {
        version = 4;
        continue;
      }
      failed(error as Error);
    }
    failures++;
    await sleep(backoffMs(failures, RECONNECT, systemRandom), signal);
  }
}

async function report(
  say: () => void,
  sleep: (durationMs: number, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(REPORT_EVERY_MS, signal);
    if (signal.aborted) return;
    say();
  }
}

function progress(verdicts: readonly Verdict[]): string {
  return verdicts
    .map(
      ({ device, received, lost, duplicates }) =>
        `${device}: ${received} received, ${lost} lost, ${duplicates} duplicated\n`,
    )
    .join("");
}

function summary(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(
    ({ device, firstSeq, lastSeq, received, lost, duplicates, dropped, skipped, boots }) => [
      device,
      firstSeq === undefined ? "-" : `${firstSeq}-${lastSeq}`,
      ...[received, lost, duplicates, dropped, skipped, boots].map(String),
    ],
  );
  const head = ["DEVICE", "SEQ", "RECEIVED", "LOST", "DUPLICATED", "DROPPED", "SKIPPED", "BOOTS"];
  const missing = verdicts
    .filter(({ lost }) => lost > 0)
    .map(
      ({ device, missing }) =>
        `${device}: missing ${missing.slice(0, 20).map(formatMissing).join(", ")}${missing.length > 20 ? ", ..." : ""}\n`,
    );
  const silent = verdicts
    .filter(({ received }) => received === 0)
    .map(({ device }) => `${device}: nothing received\n`);
  return [table([head, ...rows]), ...missing, ...silent].join("");
}
