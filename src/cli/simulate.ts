import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { isOnFor } from "../actuators/kind.ts";
import type { Config } from "../config/config.ts";
import { isoTime } from "../record/json.ts";
import { formatDurationMs, parseDurationMs } from "../schema/duration.ts";
import { drawDryRun } from "../simulate/drawing.ts";
import { type DryRun, dryRun, type Happening, MAX_HAPPENINGS } from "../simulate/dry-run.ts";
import { type IsOn, outagesOf, type Total, totalsOf } from "../simulate/totals.ts";
import type { Trace } from "../simulate/trace.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { table } from "./table.ts";

/** More lines than this are not read; `--all` and `--json` have them. */
const MAX_LINES = 200;
const MAX_DURATION_MS = 400 * 86_400_000;
const DAY_MS = 86_400_000;

/** `fieldpost simulate --for 7d`: what the configuration would do in the simulated world, in seconds. */
export async function simulate(args: string[], io: CliIo): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      for: { type: "string", default: "1d" },
      start: { type: "string" },
      seed: { type: "string" },
      svg: { type: "string" },
      json: { type: "boolean", default: false },
      all: { type: "boolean", default: false },
    },
    strict: true,
  });
  const durationMs = parseDurationMs(values.for) ?? 0;
  if (durationMs < 1_000 || durationMs > MAX_DURATION_MS)
    throw wrongUsage(`--for ${values.for}: expected a duration from 1s to 400d, such as 7d`);
  const startWallMs =
    values.start === undefined ? Math.floor(Date.now() / DAY_MS) * DAY_MS : Date.parse(values.start);
  if (!Number.isFinite(startWallMs))
    throw wrongUsage(`--start ${values.start}: expected a time such as 2026-06-21T00:00:00Z`);
  if (values.seed !== undefined && !/^-?\d{1,15}$/.test(values.seed))
    throw wrongUsage(`--seed ${values.seed}: expected a whole number`);
  const loaded = await loadOrExplain(values.config, io);
  if (!loaded) return EXIT.config;
  const config: Config =
    values.seed === undefined
      ? loaded
      : { ...loaded, simulation: { ...loaded.simulation, seed: Number(values.seed) } };

  const run = await dryRun(config, { durationMs, startWallMs });
  const kinds = new Map(config.actuators.map(({ id, kind }) => [id, kind]));
  const isOn: IsOn = (id, value) => {
    const kind = kinds.get(id);
    return kind !== undefined && isOnFor(kind, value);
  };
  const totals = totalsOf(run, [...kinds.keys()], isOn);
  const { time_zone: timeZone } = config.location;
  if (values.svg !== undefined) {
    const title = `${config.device.name ?? config.device.id}: ${formatDurationMs(durationMs)} from ${isoTime(startWallMs).slice(0, 16)}Z, simulated`;
    write(resolve(io.cwd, values.svg), drawDryRun(run, totals, { title, timeZone, isOn }), values.svg);
  }
  io.stdout(
    values.json
      ? `${JSON.stringify(asJson(run, totals), null, 2)}\n`
      : asText(run, totals, { timeZone, maxLines: values.all ? MAX_HAPPENINGS : MAX_LINES, durationMs }),
  );
  return EXIT.done;
}

function write(path: string, text: string, name: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new CliError(EXIT.failed, `--svg ${name}: cannot be written (${code})`, { cause: error });
  }
}

interface TextOptions {
  readonly timeZone: string | undefined;
  readonly maxLines: number;
  readonly durationMs: number;
}

function asText(
  run: DryRun,
  totals: readonly Total[],
  { timeZone, maxLines, durationMs }: TextOptions,
): string {
  const clock = new Intl.DateTimeFormat("sv-SE", {
    ...(timeZone !== undefined && { timeZone }),
    dateStyle: "short",
    timeStyle: "medium",
  });
  const shown = run.happenings.slice(0, maxLines);
  const lines = shown.map((each) => [clock.format(each.wallMs), each.subject, String(each.state), why(each)]);
  const left = run.happenings.length - shown.length;
  const outages = outagesOf(run);
  const offlineMs = outages.reduce((sum, [fromMs, untilMs]) => sum + untilMs - fromMs, 0);
  return [
    table(lines),
    left > 0 ? `… and ${left} more (--all shows them, --json has them)\n` : "",
    run.happenings.length === 0 ? "nothing would have happened\n" : "",
    section(
      "actuators",
      totals.map((total) => actuatorRow(total, durationMs)),
    ),
    section("sensors", run.traces.map(sensorRow)),
    outages.length === 0
      ? ""
      : section("broker", [[`away ${outages.length} times`, `${inWords(offlineMs)} in all`]]),
  ].join("");
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : `\n${title}\n${table(rows, "  ")}`;
}

function why({ cause, rule, kind }: Happening): string {
  if (kind !== "actuator") return "";
  return rule === undefined ? (cause ?? "") : `rule ${rule}`;
}

function actuatorRow({ actuator, switchedOn, onMs, longestOnMs }: Total, durationMs: number): string[] {
  if (switchedOn === 0) return [actuator, "never on"];
  const share = (100 * onMs) / durationMs;
  const percent = `${share < 10 ? share.toFixed(1) : share.toFixed(0)} %`;
  return [
    actuator,
    `switched on ${switchedOn} ${switchedOn === 1 ? "time" : "times"}`,
    `on for ${inWords(onMs)}`,
    percent,
    `longest ${inWords(longestOnMs)}`,
  ];
}

function sensorRow({ sensor, field, unit, precision, samples, min, mean, max }: Trace): string[] {
  const name = `${sensor}.${field}`;
  if (min === undefined || mean === undefined || max === undefined) return [name, "no reading"];
  const [low, middle, high] = [min, mean, max].map((value) => value.toFixed(precision));
  return [name, `${low} to ${high} ${unit}`.trimEnd(), `mean ${middle}`, `${samples} readings`];
}

/** In the two largest units: `2d 3h`, `41m 5s`. */
function inWords(durationMs: number): string {
  const seconds = Math.round(durationMs / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}

function asJson(run: DryRun, totals: readonly Total[]) {
  return {
    start: isoTime(run.startWallMs),
    end: isoTime(run.endWallMs),
    timeline: run.happenings.map(({ wallMs, ...rest }) => ({ time: isoTime(wallMs), ...rest })),
    actuators: Object.fromEntries(
      totals.map(({ actuator, switchedOn, onMs, longestOnMs }) => [
        actuator,
        { switched_on: switchedOn, on_s: onMs / 1_000, longest_on_s: longestOnMs / 1_000 },
      ]),
    ),
    sensors: Object.fromEntries(
      run.traces.map(({ sensor, field, unit, samples, min, mean, max }) => [
        `${sensor}.${field}`,
        { unit, readings: samples, min, mean, max },
      ]),
    ),
    outages: outagesOf(run).map(([fromMs, untilMs]) => ({ from: isoTime(fromMs), until: isoTime(untilMs) })),
  };
}
