import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { linuxClock } from "../device/linux/clock.ts";
import { systemRandom } from "../device/linux/random.ts";
import { brokerVisit } from "../doctor/broker-visit.ts";
import { AREAS, type Diagnosis } from "../doctor/check.ts";
import { CHECKS } from "../doctor/checks.ts";
import { CREDENTIALS, CREDENTIALS_AT_REST } from "../doctor/configuration.ts";
import { type Examined, examine } from "../doctor/examine.ts";
import { thisMachine } from "../doctor/machine.ts";
import type { Patient, RunningNode } from "../doctor/patient.ts";
import { sntp } from "../doctor/sntp.ts";
import { LocalRefusedError } from "../local/client.ts";
import { boardChooser } from "../node/board.ts";
import type { NodeView } from "../node/view.ts";
import { DEFAULT_CONFIG, loadConfigFile, showProblems } from "./config-file.ts";
import { EXIT } from "./exit.ts";
import { type CliIo, wantsColor } from "./io.ts";
import { askNodeOn } from "./local.ts";

/** `fieldpost doctor [--config FILE] [--simulate] [--offline] [--json]`: what would keep the node from working, and how to mend it. */
export async function doctor(args: string[], io: CliIo): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      simulate: { type: "boolean", default: false },
      offline: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
    strict: true,
  });
  const patient = await admit(values, io);
  if (!patient) return EXIT.config;
  const found: Examined[] = [];
  const report = values.json ? undefined : textReport(io);
  try {
    for await (const examined of examine(CHECKS, patient, report?.waiting)) {
      found.push(examined);
      report?.add(examined);
    }
  } finally {
    report?.end();
    await Promise.all([...patient.brokers.map((visit) => visit.end()), patient.board.close()]);
  }
  if (values.json) {
    const lines = found.flatMap(({ check: { id, area }, diagnoses }) =>
      diagnoses.map((diagnosis) => ({ check: id, area, ...diagnosis })),
    );
    io.stdout(`${JSON.stringify(lines, null, 2)}\n`);
  }
  const verdicts = found.flatMap(({ diagnoses }) => diagnoses.map(({ verdict }) => verdict));
  return verdicts.includes("failed") ? EXIT.failed : EXIT.done;
}

interface Given {
  readonly config: string;
  readonly simulate: boolean;
  readonly offline: boolean;
}

/** Undefined: the configuration is wrong, and has been explained. */
async function admit({ config: file, simulate, offline }: Given, io: CliIo): Promise<Patient | undefined> {
  const result = await loadConfigFile(file, { env: io.env, cwd: io.cwd, readFile: readOrAtRest });
  if (!result.ok) {
    showProblems(result.problems, file, io);
    return undefined;
  }
  const { config, warnings } = result;
  const clock = linuxClock();
  const path = resolve(io.cwd, file);
  const clientId = `${config.mqtt.client_id}-doctor-${Math.floor(systemRandom() * 36 ** 4).toString(36)}`;
  let asked: Promise<RunningNode> | undefined;
  return {
    config,
    file: { path, text: readFileSync(path, "utf8"), warnings, isOfService: path === DEFAULT_CONFIG },
    board: (await boardChooser(simulate))(config, clock).board,
    clock,
    simulated: simulate,
    machine: thisMachine(),
    brokers: offline
      ? []
      : config.mqtt.url.map((server) => brokerVisit(server, { mqtt: config.mqtt, clientId, clock })),
    askTime: sntp(clock),
    runningNode() {
      asked ??= askNode(config.buffer.path);
      return asked;
    },
  };
}

/** A secret of the service, whether or not it runs: systemd hands it over only while it does. */
function readOrAtRest(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!path.startsWith(CREDENTIALS)) throw error;
    try {
      return readFileSync(CREDENTIALS_AT_REST + path.slice(CREDENTIALS.length), "utf8");
    } catch {
      // Stands where the system's reason would: "cannot read PATH: it is root's ...".
      throw Object.assign(new Error("a secret"), {
        code: "it is for the service and for root: sudo fieldpost doctor",
      });
    }
  }
}

/** One that may not be talked to runs, too; one that refuses is another. */
function askNode(outboxPath: string): Promise<RunningNode> {
  return askNodeOn(outboxPath, { do: "status" }).then(
    (answer) => (answer === undefined ? { runs: false } : { runs: true, view: answer.value as NodeView }),
    (error: Error) => (error.cause instanceof LocalRefusedError ? { runs: false } : { runs: true }),
  );
}

const COLORS = { ok: 32, warning: 33, failed: 31, skipped: 90 } as const;

/** Area by area, as soon as all of it is known; on a terminal with what is waited for below. */
function textReport(io: CliIo) {
  const color = wantsColor(io);
  const waitsFor = (text: string) => {
    if (io.logsToTty) io.stderr(`\r\u001b[K${text.slice(0, Math.max(0, io.columns - 1))}`);
  };
  const counts = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  let area: string | undefined;
  let lines: Diagnosis[] = [];
  let said = "";
  function flush(): void {
    if (lines.length > 0) {
      waitsFor("");
      io.stdout(`${AREAS[0] === area ? "" : "\n"}${area}\n${inLines(together(lines), color)}`);
      waitsFor(said);
    }
    lines = [];
  }
  return {
    waiting(pending: readonly { readonly title: string }[]) {
      said = pending.length === 0 ? "" : `waiting for ${pending.map(({ title }) => title).join(", ")}`;
      waitsFor(said);
    },
    add({ check, diagnoses }: Examined) {
      if (check.area !== area) flush();
      area = check.area;
      lines.push(...diagnoses);
      for (const { verdict } of diagnoses) counts[verdict]++;
    },
    end() {
      flush();
      waitsFor("");
      const parts = [`${counts.failed} failed`, `${counts.warning} warnings`, `${counts.ok} ok`];
      if (counts.skipped > 0) parts.push(`${counts.skipped} skipped`);
      io.stdout(`\n${parts.join(", ").replace(" 1 warnings", " 1 warning")}\n`);
    },
  };
}

/** What was skipped for one reason is one line. */
function together(lines: readonly Diagnosis[]): readonly Diagnosis[] {
  const reasons = new Map<string, string[]>();
  for (const { verdict, what, found } of lines)
    if (verdict === "skipped") reasons.set(found, [...(reasons.get(found) ?? []), what]);
  const rest = lines.filter(({ verdict }) => verdict !== "skipped");
  return [
    ...rest,
    ...[...reasons].map(([found, what]) => ({
      what: what.length === 1 ? what[0]! : "",
      verdict: "skipped" as const,
      found: what.length === 1 ? found : `${found}: ${what.join(", ")}`,
    })),
  ];
}

function inLines(lines: readonly Diagnosis[], color: boolean): string {
  const width = Math.max(...lines.map(({ what }) => what.length));
  return lines
    .map(({ verdict, what, found, fix }) => {
      const word = verdict.padEnd(7);
      const shown = color ? `\u001b[${COLORS[verdict]}m${word}\u001b[0m` : word;
      return `  ${shown}  ${what.padEnd(width)}  ${fix === undefined ? found : `${found} → ${fix}`}\n`;
    })
    .join("");
}
