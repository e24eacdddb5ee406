import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { withBroker } from "./broker.ts";
import type { Bench, Part } from "./figure.ts";
import { type Fleet, startFixedInterval, startSessions } from "./storm-fleet.ts";
import { type Curve, plotStorm } from "./storm-plot.ts";

const NODES = 500;
const OUTAGE_MS = 30_000;
const FIXED_INTERVAL_MS = 1_000;
/** More than the longest wait (2 min) and the outage. */
const RETURN_TIMEOUT_MS = 180_000;
const LOOK_EVERY_MS = 50;
const AFTERWARDS_MS = 3_000;
/** Of the fixed interval's peak, at most. */
const MAX_RATIO = 0.2;

const SECOND_MS = 1_000;

/** What a broker has to bear when it comes back: a whole fleet that lost it at the same instant. */
export const storm: Part = {
  name: "storm",
  title: `${NODES} nodes lose a broker (killed) for ${OUTAGE_MS / 1000} s and come back`,
  onRequest: true,
  async measure(bench) {
    const fixed = await outage(bench, "MQTT.js, fixed interval", (port) =>
      startFixedInterval(port, NODES, FIXED_INTERVAL_MS),
    );
    const ours = await outage(bench, "fieldpost", (port) => startSessions(port, NODES));
    if (bench.plot !== undefined) {
      const curve = ({ attempts, connects }: Outage, name: string): Curve => ({ name, attempts, connects });
      writeFileSync(
        bench.plot,
        plotStorm({
          title: `${NODES} nodes lose their broker for ${OUTAGE_MS / 1000} seconds`,
          outageMs: OUTAGE_MS,
          curves: [
            curve(fixed, `MQTT.js, reconnectPeriod ${FIXED_INTERVAL_MS / 1000} s`),
            curve(ours, "fieldpost, exponential back-off with full jitter (1 s to 2 min)"),
          ],
        }),
      );
    }
    const beside = (value: number) =>
      ({ name: "MQTT.js, fixed interval", runs: [value], as: "ratio" }) as const;
    return {
      figures: [
        {
          name: "most CONNECTs within one second after the return",
          unit: "connects",
          runs: [peak(ours.connects, SECOND_MS)],
          beside: beside(peak(fixed.connects, SECOND_MS)),
          target: { of: "comparison", bound: "at most", limit: MAX_RATIO },
        },
        {
          name: "most CONNECTs within a tenth of a second",
          unit: "connects",
          runs: [peak(ours.connects, SECOND_MS / 10)],
          beside: beside(peak(fixed.connects, SECOND_MS / 10)),
        },
        {
          name: "attempts in vain during the outage",
          unit: "attempts",
          runs: [ours.attempts.filter((atMs) => atMs < OUTAGE_MS).length],
          beside: beside(fixed.attempts.filter((atMs) => atMs < OUTAGE_MS).length),
        },
        ...([0.5, 1] as const).map((share) => ({
          name: `after the return, ${share * 100} % of the nodes are back`,
          unit: "s",
          runs: [backAfterMs(ours, share) / 1000],
          beside: beside(backAfterMs(fixed, share) / 1000),
        })),
      ],
      notes: [
        "the node's own session with its default reconnect (1 s to 2 min), both fleets in this process on loopback, one after the other",
      ],
    };
  },
};

/** Milliseconds since the broker was lost. */
interface Outage {
  readonly attempts: readonly number[];
  readonly connects: readonly number[];
}

function outage(bench: Bench, name: string, start: (port: number) => Fleet): Promise<Outage> {
  return withBroker({}, async (broker) => {
    const fleet = start(broker.port);
    try {
      await until(() => fleet.connected() === NODES, `${name}: ${NODES} connections`);
      bench.progress(`storm: ${name}: ${NODES} connected, the broker goes`);
      await broker.kill();
      const lostMs = performance.now();
      await sleep(OUTAGE_MS);
      await broker.restart();
      bench.progress(`storm: ${name}: the broker is back`);
      await until(() => fleet.connected() === NODES, `${name}: ${NODES} connections after the outage`);
      await sleep(AFTERWARDS_MS);
      const since = (times: readonly number[]) =>
        times.map((atMs) => atMs - lostMs).filter((atMs) => atMs >= 0);
      return { attempts: since(fleet.attempts), connects: since(fleet.connects) };
    } finally {
      await fleet.end();
    }
  });
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  const giveUpMs = performance.now() + RETURN_TIMEOUT_MS;
  while (!isSo()) {
    if (performance.now() > giveUpMs) throw new Error(`${what}: not within ${RETURN_TIMEOUT_MS / 1000} s`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** The most of `times` that lie in any stretch of `withinMs`. */
export function peak(times: readonly number[], withinMs: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  let most = 0;
  for (let first = 0, last = 0; last < sorted.length; last++) {
    while (sorted[last]! - sorted[first]! >= withinMs) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

function backAfterMs({ connects }: Outage, share: number): number {
  const sorted = [...connects].sort((a, b) => a - b);
  return sorted[Math.ceil(NODES * share) - 1]! - OUTAGE_MS;
}
