import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { boot } from "../test/hardware/boot.ts";
import type { Bench, Findings, Part } from "./figure.ts";

/** Guests, one after another. */
const ROUNDS = 3;
const LIMIT_MS = 120_000;

/** What each round found, in the guest; see hardware-guest.ts. */
export interface HardwareRound {
  readonly edgeToMessageMs: { readonly median: number; readonly p99: number };
  readonly publishToMessageMs: { readonly median: number; readonly p99: number };
  readonly raisedPerSecond: number;
  readonly cdevPerSecond: number;
  readonly onoffPerSecond: number;
  readonly burstRaised: number;
  readonly cdevBurst: number;
  readonly onoffBurst: number;
  /** Processor time an edge. */
  readonly cdevCpuUs: number;
  readonly onoffCpuUs: number;
  readonly readingMs: number;
  readonly bareReadingMs: number;
}

/** What the board's edges and chips cost, on a real kernel with simulated lines and chips. */
export const hardware: Part = {
  name: "hardware",
  title: `GPIO edges and I2C readings on a real Linux 6.12 (User-Mode Linux), ${ROUNDS} rounds`,
  onRequest: true,
  async measure(bench) {
    const script = resolve("test/hardware/build-kernel.sh");
    const kernel = execFileSync("bash", [script], {
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
    }).trim();
    const rounds: HardwareRound[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      bench.progress(`hardware: round ${round} of ${ROUNDS}`);
      rounds.push(await measureRound(bench, kernel));
    }
    return findings(rounds);
  },
};

async function measureRound({ bundle }: Bench, kernel: string): Promise<HardwareRound> {
  const program = join(dirname(fileURLToPath(import.meta.url)), "hardware-guest.mjs");
  const guest = await boot(
    { kernel, init: resolve("test/hardware/guest/init.sh") },
    {
      script: `cd /run && ${process.execPath} ${program} ${bundle} /mnt/results/round.json`,
      limitMs: LIMIT_MS,
    },
  );
  try {
    const status = await guest.ended;
    if (status !== 0) throw new Error(`the guest ended with ${status}, and printed:\n${guest.printed()}`);
    return JSON.parse(await readFile(join(guest.folder, "round.json"), "utf8"));
  } finally {
    await guest.remove();
  }
}

function findings(rounds: readonly HardwareRound[]): Findings {
  const of = (value: (round: HardwareRound) => number) => rounds.map(value);
  return {
    figures: [
      {
        name: "edge to message at the subscriber, median",
        unit: "ms",
        runs: of(({ edgeToMessageMs }) => edgeToMessageMs.median),
        beside: {
          name: "MQTT.js, publish to subscriber",
          runs: of(({ publishToMessageMs }) => publishToMessageMs.median),
          as: "ratio",
        },
      },
      {
        name: "edge to message at the subscriber, p99",
        unit: "ms",
        runs: of(({ edgeToMessageMs }) => edgeToMessageMs.p99),
        beside: {
          name: "MQTT.js, publish to subscriber",
          runs: of(({ publishToMessageMs }) => publishToMessageMs.p99),
          as: "ratio",
        },
      },
      {
        name: "edges counted, as fast as they can be raised",
        unit: "edges/s",
        runs: of(({ cdevPerSecond }) => cdevPerSecond),
        beside: { name: "onoff", runs: of(({ onoffPerSecond }) => onoffPerSecond), as: "ratio" },
      },
      {
        name: "of them raised",
        unit: "edges/s",
        runs: of(({ raisedPerSecond }) => raisedPerSecond),
      },
      {
        name: "counted of a burst while the program is busy",
        unit: "edges",
        runs: of(({ cdevBurst }) => cdevBurst),
        beside: { name: "onoff", runs: of(({ onoffBurst }) => onoffBurst), as: "difference" },
      },
      { name: "raised in that burst", unit: "edges", runs: of(({ burstRaised }) => burstRaised) },
      {
        name: "processor share at 1,000 edges a second",
        unit: "%",
        runs: of(({ cdevCpuUs }) => cdevCpuUs / 10),
        beside: { name: "onoff", runs: of(({ onoffCpuUs }) => onoffCpuUs / 10), as: "ratio" },
      },
      {
        name: "one reading of a BME280, less the time the chip measures",
        unit: "ms",
        runs: of(({ readingMs }) => readingMs),
        beside: {
          name: "i2c-bus, one read of as many bytes",
          runs: of(({ bareReadingMs }) => bareReadingMs),
          as: "ratio",
        },
      },
    ],
    notes: [
      "the simulator raises an edge at its timer's ticks, a millisecond apart, and in this kernel a system call costs far more than on bare metal: only the comparisons hold elsewhere",
      "the processor's share is its time per edge at the rate above, times a thousand",
      "an edge's time begins when the simulated wire is told to change, so that half a tick is in it",
    ],
  };
}
