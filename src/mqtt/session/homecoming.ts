import type { Duplex } from "node:stream";
import { type Clock, withDeadline } from "../../device/clock.ts";
import type { Random } from "../../device/random.ts";
import type { Log } from "../../log.ts";
import { formatServer, type Server } from "../broker/server.ts";
import type { Dial } from "../link/dial.ts";
import { type BackoffBounds, backoffMs } from "./backoff.ts";

export interface HomecomingOptions {
  /** The first broker of the list. */
  readonly home: Server;
  readonly dial: Dial;
  readonly reconnect: BackoffBounds;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The way back to the first broker of the list, while another one serves. */
export interface Homecoming {
  /**
   * Looks for the first broker until it answers, with a stream to it that is ready for CONNECT; undefined where `over`
   * aborts before. The stream is all that the look costs: no CONNECT goes over it, which in a cluster would throw out
   * the very session that works.
   */
  watch(over: AbortSignal): Promise<Duplex | undefined>;
  /** How long the first broker kept the node after it had come back to it; 0: it did not take it. */
  stayed(livedMs: number, isStable: boolean): void;
}

/** A broker that cannot be reached is given up on after this long, as when connecting. */
const LOOK_MS = 20_000;

/** However often the first broker failed the node, it is looked for at least so often; or every `reconnect.max`. */
const MAX_WAIT_MS = 3_600_000;

/**
 * The waits are spread over half of `reconnect.max`, so that a thousand nodes do not come back to a broker in the
 * instant in which it is there. They double with each return that did not last.
 */
export function createHomecoming({
  home,
  dial,
  reconnect,
  clock,
  random,
  log,
}: HomecomingOptions): Homecoming {
  let flaps = 0;
  const waitMs = () => {
    const maxMs = Math.min(reconnect.maxMs * 2 ** flaps, Math.max(reconnect.maxMs, MAX_WAIT_MS));
    return backoffMs(1, { minMs: maxMs / 2, maxMs }, random);
  };

  async function look(over: AbortSignal): Promise<Duplex | undefined> {
    const giveUp = new AbortController();
    const dialing = dial(home, AbortSignal.any([over, giveUp.signal]));
    try {
      return await withDeadline(clock, `connecting to ${formatServer(home)}`, LOOK_MS, dialing);
    } catch (error) {
      giveUp.abort(error);
      // Came too late to be used.
      dialing.then((stream) => stream.destroy()).catch(() => {});
      if (!over.aborted) log.debug("the first broker is not back yet", { error: (error as Error).message });
      return undefined;
    }
  }

  return {
    async watch(over) {
      for (;;) {
        await clock.sleep(waitMs(), over);
        const stream = over.aborted ? undefined : await look(over);
        if (!over.aborted && stream?.destroyed === false) return stream;
        stream?.destroy();
        if (over.aborted) return undefined;
      }
    },
    stayed(livedMs, isStable) {
      flaps = isStable ? 0 : flaps + 1;
      if (!isStable) log.debug("the first broker did not keep the node", { livedMs, flaps });
    },
  };
}
