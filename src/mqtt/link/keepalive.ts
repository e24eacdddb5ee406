import type { Clock } from "../../device/clock.ts";

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
  /** Called every quarter interval; `quarters` of them passed so far. */
  onQuarter(quarters: number): void;
  dead(reason: Error): void;
}

/**
 * Quarters without a packet one way or the other after which a ping is due. A client must send something within every
 * interval [MQTT-3.1.2-20]; seen in steps of a quarter, three of them are less than one.
 */
const PING_QUARTERS = 3;

/** Silent quarters after which the broker is gone: found out within 1.5 intervals, as the broker finds out about us. */
const DEAD_QUARTERS = 5;

/** A quarter that took twice its time: the event loop stood still, and nothing could be read meanwhile. */
const STALL_QUARTERS = 2;

/**
 * Keeps an idle link up, and declares one dead on which a ping was not answered. Any packet is a sign of life: a long
 * queue on a slow link must not look like a dead one.
 *
 * A process that stood still must not blame the broker for it. What came in the meantime is still unread, so the time
 * counts as no silence; and a ping goes out at once. Whether that is soon enough the broker decides: it may hang up
 * after 1.5 intervals [MQTT-3.1.2-22].
 */
export async function keepAlive(options: KeepAliveOptions): Promise<void> {
  const { clock, keepaliveMs, traffic, closed } = options;
  let { sent, received } = traffic;
  let idleQuarters = 0;
  let silentQuarters = 0;
  const quarterMs = keepaliveMs / 4;
  for (let quarters = 1; ; quarters++) {
    const startMs = clock.monotonicMs();
    await clock.sleep(quarterMs, closed);
    if (closed.aborted) return;
    const stalled = clock.monotonicMs() - startMs >= STALL_QUARTERS * quarterMs;
    idleQuarters = traffic.sent === sent ? idleQuarters + 1 : 0;
    if (traffic.received !== received) silentQuarters = 0;
    else if (!stalled) silentQuarters++;
    if (silentQuarters >= DEAD_QUARTERS) {
      options.dead(new Error(`the broker has been silent for ${(DEAD_QUARTERS * keepaliveMs) / 4_000} s`));
      return;
    }
    if (stalled || idleQuarters >= PING_QUARTERS || silentQuarters >= PING_QUARTERS) {
      options.ping();
      idleQuarters = 0;
    }
    ({ sent, received } = traffic);
    options.onQuarter(quarters);
    if (closed.aborted) return;
  }
}
