import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { backlog } from "./backlog.ts";
import { bundle } from "./bundle.ts";
import { compression } from "./compression.ts";
import { drain } from "./drain.ts";
import type { Bench, Part } from "./figure.ts";
import { flash } from "./flash.ts";
import { flashOnline } from "./flash-online.ts";
import { full } from "./full.ts";
import { hardware } from "./hardware.ts";
import { machine } from "./machine.ts";
import { memory } from "./memory.ts";
import { outbox } from "./outbox.ts";
import { peerFlash } from "./peers/flash.ts";
import { peerOpening } from "./peers/opening.ts";
import { peerRates } from "./peers/rates.ts";
import { misses, type Report, toJson, toText } from "./report.ts";
import { safe } from "./safe.ts";
import { makeScratchFolder } from "./scratch.ts";
import { start } from "./start.ts";
import { storm } from "./storm.ts";

const parts: readonly Part[] = [
  bundle,
  start,
  safe,
  memory,
  outbox,
  full,
  backlog,
  drain,
  flash,
  flashOnline,
  storm,
  hardware,
  peerRates,
  peerFlash,
  peerOpening,
  compression,
];

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    only: { type: "string" },
    minutes: { type: "string" },
    plot: { type: "string" },
  },
});
const wanted = values.only?.split(",") ?? parts.filter(({ onRequest }) => !onRequest).map(({ name }) => name);
const chosen = parts.filter(({ name }) => wanted.includes(name));
if (chosen.length < wanted.length) {
  process.stderr.write(
    `bench: --only takes one or more, with commas between, of: ${parts.map(({ name }) => name).join(", ")}\n`,
  );
  process.exit(64);
}

const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
if (minutes !== undefined && !(minutes > 0)) {
  process.stderr.write("bench: --minutes takes a number above 0\n");
  process.exit(64);
}

const folder = makeScratchFolder();
// The broker's files go with the rest, even where the bench is interrupted.
process.env["TMPDIR"] = folder;
const bench: Bench = {
  folder,
  bundle: resolve("dist/fieldpost.js"),
  ...(minutes !== undefined && { minutes }),
  ...(values.plot !== undefined && { plot: resolve(values.plot) }),
  progress: (text) => void process.stderr.write(`bench: ${text}\n`),
};
const measured: Report["parts"][number][] = [];
for (const part of chosen) {
  bench.progress(`${part.name}: ${part.title}`);
  measured.push({ part, findings: await part.measure(bench) });
}
const report: Report = { machine: machine(bench.folder), parts: measured };
process.stdout.write(values.json ? toJson(report) : toText(report));

const missed = values.check ? misses(report) : [];
for (const line of missed) process.stderr.write(`bench: target missed: ${line}\n`);
process.exitCode = missed.length > 0 ? 1 : 0;
