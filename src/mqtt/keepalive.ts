import type { Clock } from "../device/clock.ts";

/** How often each way was used: only ever counts up. */
export interface Traffic {
  sent: number;
  received: number;
}

export interface KeepAliveOptions {
  readonly clock: Clock;
  /** The keep alive interval that the broker was told or asked for (MQTT 5, sections 3.1.2.10 and 3.2.2.3.14). */
  readonly keepaliveMs: number;
  readonly traffic: Readonly<Traffic>;
  readonly closed: AbortSignal;
  ping(): void;
  /** Called every half interval: `halves` of them passed so far. */
  onHalf(halves: number): void;
  dead(reason: Error): void;
}

/** Idle halves after which a ping is due: one whole interval. */
const IDLE_HALVES = 2;

/** Silent halves after which the broker is taken to be gone: 1.5 intervals, as it does with us. */
const DEAD_HALVES = 3;

/**
 * Pings where an interval went by with nothing sent or nothing heard, and declares the link dead after one and a half
 * intervals of silence. Any packet is a sign of life: a long queue on a slow link must not look like a dead one.
 */
export async function keepAlive(options: KeepAliveOptions): Promise<void> {
  const { clock, keepaliveMs, traffic, closed } = options;
  let { sent, received } = traffic;
  let idleHalves = 0;
  let silentHalves = 0;
  for (let halves = 1; ; halves++) {
    await clock.sleep(keepaliveMs / 2, closed);
    if (closed.aborted) return;
    idleHalves = traffic.sent === sent ? idleHalves + 1 : 0;
    silentHalves = traffic.received === received ? silentHalves + 1 : 0;
    if (silentHalves >= DEAD_HALVES) {
      options.dead(new Error(`the broker has been silent for ${(DEAD_HALVES * keepaliveMs) / 2_000} s`));
      return;
    }
    if (idleHalves >= IDLE_HALVES || silentHalves >= IDLE_HALVES) {
      options.ping();
      idleHalves = 0;
    }
    ({ sent, received } = traffic);
    options.onHalf(halves);
    if (closed.aborted) return;
  }
}
