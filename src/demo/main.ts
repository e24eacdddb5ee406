import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ledger } from "../audit/ledger.ts";
import type { DemoOptions } from "../cli/demo.ts";
import { type CliIo, wantsColor } from "../cli/io.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { Clock } from "../device/clock.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { silentLog } from "../log.ts";
import { realSurroundings } from "../node/start.ts";
import { type Supervisor, supervise } from "../node/supervisor.ts";
import { createSimBroker, type SimBroker } from "../simulate/broker.ts";
import { greenhouse } from "./greenhouse.ts";
import { bar, createPaint, createScreen, type Paint, type Screen } from "./screen.ts";
import { describeMessage, unitsOf } from "./words.ts";

/** Shares of a cycle: the link holds, is cut, and comes back for the rest. */
const CUT_AT = 0.6;
const BACK_AT = 0.9;

/** More historical records at once than these are counted instead of shown. */
const SHOWN_OF_BACKLOG = 3;
const STATUS_EVERY_MS = 250;
/** A backlog that fills the bar. */
const FULL_BAR_RECORDS = 60;

/** Everything that the demo's acts share. */
interface Stage {
  readonly clock: Clock;
  readonly broker: SimBroker;
  readonly supervisor: Supervisor;
  readonly screen: Screen;
  readonly paint: Paint;
  readonly ledger: Ledger;
  readonly ended: AbortSignal;
  /** Historical records since the link came back. */
  readonly drained: { count: number };
}

/** A node on a simulated greenhouse, a broker in the same process, and a link that is cut once a cycle. */
export async function runDemo(options: DemoOptions, io: CliIo, version: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-demo-"));
  const clock = linuxClock();
  const paint = createPaint(wantsColor(io));
  const screen = createScreen(io.stdout, io.isTty);
  const ledger = new Ledger("greenhouse-1");
  const drained = { count: 0 };
  let units: ReadonlyMap<string, string> = new Map();

  const broker = await createSimBroker({
    clock,
    keepMessages: 0,
    onMessage({ topic, payload }) {
      const below = topic.split("/").slice(2).join("/");
      ledger.observe(below, payload);
      if (!/^(telemetry|event|result)\//.test(below)) return;
      const record = JSON.parse(payload) as Record<string, unknown>;
      if (record["historical"] === true && ++drained.count > SHOWN_OF_BACKLOG) return;
      const mark = record["historical"] === true ? paint("yellow", "kept ") : paint("green", "live ");
      screen.line(`${timeOfDay(clock)} ${mark} ${describeMessage(below, record, units, paint)}`);
    },
  });
  const url = await broker.listen();
  const config = await configOf(greenhouse(url, folder, options.seed));
  units = unitsOf(config);
  introduce(screen, paint, url);

  const ended = new AbortController();
  const end = () => ended.abort();
  process.on("SIGINT", end).on("SIGTERM", end);
  const surroundings = await realSurroundings({
    version,
    log: silentLog,
    simulate: true,
    onRestart: () => {},
  });
  const tidyUp = async () => {
    await broker.close();
    await rm(folder, { recursive: true, force: true });
  };
  const supervisor = await supervise(config, surroundings).catch(async (error: unknown) => {
    await tidyUp();
    throw error;
  });
  const stage: Stage = { clock, broker, supervisor, screen, paint, ledger, ended: ended.signal, drained };
  const showing = showStatus(stage);
  const cycles = options.cycles ?? Number.POSITIVE_INFINITY;
  for (let cycle = 1; cycle <= cycles && !ended.signal.aborted; cycle++)
    await runCycle(stage, cycle, options.periodMs);
  end();
  await showing;
  screen.end();
  await supervisor.stop();
  await tidyUp();
  process.off("SIGINT", end).off("SIGTERM", end);
  return ledger.verdict().lost === 0 ? 0 : 1;
}

function introduce(screen: Screen, paint: Paint, url: string): void {
  screen.line(
    paint(
      "bold",
      "A greenhouse with seven sensors, a pump and a fan: all simulated, everything else is real.",
    ),
  );
  screen.line(`Listen in:  mosquitto_sub -p ${new URL(url).port} -v -t 'fieldpost/#'`);
  screen.line(
    `Command it: mosquitto_pub -p ${new URL(url).port} -t fieldpost/greenhouse-1/command/fan -m on`,
  );
  screen.line(paint("dim", "Ctrl-C ends.\n"));
}

/** One cycle: it flows, the link is cut, the backlog grows, the link is back, the backlog drains, the account is shown. */
async function runCycle(stage: Stage, cycle: number, periodMs: number): Promise<void> {
  const { clock, broker, supervisor, screen, paint, ended, drained } = stage;
  const startMs = clock.monotonicMs();
  const until = (share: number) => clock.sleep(startMs + share * periodMs - clock.monotonicMs(), ended);

  await until(CUT_AT / 2);
  if (ended.aborted) return;
  screen.line(`${timeOfDay(clock)} ${paint("bold", "you  ")}  pump on for 3s, please`);
  const command = JSON.stringify({ id: `demo-${cycle}-${Math.round(startMs)}`, set: "on", for: "3s" });
  await broker.publish("fieldpost/greenhouse-1/command/pump", command);

  await until(CUT_AT);
  if (ended.aborted) return;
  broker.cut();
  screen.line(
    `${timeOfDay(clock)} ${paint("red", "cut   the link to the broker is gone; sampling goes on, every record is kept")}`,
  );

  await until(BACK_AT);
  const kept = supervisor.node().status().outbox.depth;
  drained.count = 0;
  broker.restore();
  if (ended.aborted) return;
  screen.line(
    `${timeOfDay(clock)} ${paint("green", `back  the link is back; ${kept} records to catch up with`)}`,
  );
  const backMs = clock.monotonicMs();
  while (
    supervisor.node().status().outbox.depth > 0 &&
    !ended.aborted &&
    clock.monotonicMs() < backMs + periodMs
  )
    await clock.sleep(20, ended);
  const tookMs = Math.round(clock.monotonicMs() - backMs);
  if (drained.count > SHOWN_OF_BACKLOG)
    screen.line(
      `${timeOfDay(clock)} ${paint("yellow", "kept ")}  ... and ${drained.count - SHOWN_OF_BACKLOG} more`,
    );
  screen.line(
    `${timeOfDay(clock)} ${paint("green", `done  backlog drained ${tookMs} ms after the link came back`)}`,
  );

  await until(1);
  screen.line(`${timeOfDay(clock)} ${verdictLine(stage)}\n`);
}

function verdictLine({ ledger, paint }: Stage): string {
  const { received, lost, duplicates, lastSeq } = ledger.verdict();
  const text = `audit ${received} records up to #${lastSeq}: ${lost} lost, ${duplicates} duplicated`;
  return paint(lost === 0 ? "green" : "red", text);
}

async function showStatus({ clock, supervisor, screen, paint, ended, ledger }: Stage): Promise<void> {
  while (!ended.aborted) {
    const { link, outbox } = supervisor.node().status();
    const state = link.connected ? paint("green", "● link up  ") : paint("red", "○ link down");
    const { received, lost, duplicates } = ledger.verdict();
    const backlog = `${bar(outbox.depth / FULL_BAR_RECORDS, 20)} ${String(outbox.depth).padStart(3)} waiting`;
    screen.status(
      `${state}  outbox ${backlog}  delivered ${received}  lost ${lost}  duplicated ${duplicates}`,
    );
    await clock.sleep(STATUS_EVERY_MS, ended);
  }
}

async function configOf(text: string): Promise<Config> {
  const result = await loadConfig(text, {
    file: "demo.yaml",
    env: {},
    machine: { serial: undefined, hostname: undefined, machineId: undefined },
    readFile: () => "",
  });
  if (!result.ok)
    throw new Error(result.problems.map(({ line, message }) => `demo.yaml:${line}: ${message}`).join("\n"));
  return result.config;
}

function timeOfDay(clock: Clock): string {
  return new Date(clock.wallMs()).toTimeString().slice(0, 8);
}
