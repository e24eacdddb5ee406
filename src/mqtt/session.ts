import { type Clock, withDeadline } from "../device/clock.ts";
import type { Random } from "../device/random.ts";
import type { Log } from "../log.ts";
import { eitherAborts } from "./aborts.ts";
import { type BackoffBounds, backoffMs } from "./backoff.ts";
import {
  CertificateNotYetValidError,
  type OpenLink,
  ServerRedirectError,
  UnsupportedVersionError,
} from "./link.ts";
import { createRivalWatch } from "./rival.ts";
import { formatServer, referredServer, type Server } from "./server.ts";

/** Something to do on each new link, in its turn. The last one may go on until the link closes. */
export interface LinkStep {
  readonly name: string;
  run(link: OpenLink): Promise<void>;
}

export interface SessionOptions {
  /** Tried in turn; at least one. */
  readonly servers: readonly Server[];
  readonly clientId: string;
  /** `auto`: 5, and 3.1.1 with a broker that does not speak it. */
  readonly version: "auto" | "3.1.1" | "5";
  /** Makes one connection. */
  readonly open: (server: Server, version: 4 | 5, signal: AbortSignal) => Promise<OpenLink>;
  /** Subscribed before anything is sent: a long backlog must not leave the node deaf. */
  readonly subscriptions: readonly string[];
  /** Retained: `online`, and `offline` at the end. */
  readonly statusTopic: string;
  readonly steps: readonly LinkStep[];
  /** The broker has taken the subscriptions: from now on the node hears what it is told. */
  readonly onListening?: (link: OpenLink) => void;
  readonly reconnect: BackoffBounds;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What people and the `health` topic may know of the session. */
export interface SessionStatus {
  readonly connected: boolean;
  /** The broker that is connected, or that was tried last. */
  readonly server: string;
  readonly version: "3.1.1" | "5" | undefined;
  /** Monotonic time since when it has been as it is. */
  readonly sinceMs: number;
  readonly attempts: number;
  readonly connects: number;
  /** Without a link: monotonic time at which the attempt under way began, or the next one is due. */
  readonly attemptDueMs: number;
  /** Why the last attempt failed or the last link closed. */
  readonly lastError: string | undefined;
}

/** The node's presence at the broker: one link after the other. */
export interface Session {
  /** Goes on until `signal` aborts; then says `offline` and goodbye, within a second. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  hasSession(): boolean;
  /** The link there is now. */
  link(): OpenLink | undefined;
  status(): SessionStatus;
}

/** A link that lived this long ended an outage; one that did not may be part of it (two nodes with one client id). */
const STABLE_LINK_MS = 30_000;

/** Brokers that send us in a circle are left after so many. */
const MAX_REDIRECTS = 3;

const LOOK_AT_CLOCK_MS = 1_000;

const FAREWELL_MS = 1_000;

export const ONLINE = "online";
export const OFFLINE = "offline";

export function createSession(options: SessionOptions): Session {
  const { servers, clock, random, log } = options;
  /** What `auto` has learnt of each server in this process. */
  const learntVersions = new Map<Server, 4 | 5>();
  let turn = 0;
  let current: OpenLink | undefined;
  let sinceMs = clock.monotonicMs();
  let attempts = 0;
  let connects = 0;
  let attemptDueMs = clock.monotonicMs();
  let lastError: string | undefined;
  /** Since the last link that was stable. */
  let waits = 0;
  let outageLogged = false;
  const rivals = createRivalWatch(options.clientId);

  /** Where a broker has sent us: used until it fails. */
  let redirected: Server | undefined;
  let redirects = 0;
  /** The last attempt failed for a certificate that is not valid yet, by a clock that nobody has set. */
  let waitsForClock = false;

  const server = () => redirected ?? servers[turn % servers.length]!;

  /** Whether the reason is a broker that sends us elsewhere, and there is an elsewhere to go to at once. */
  function follow(reason: unknown): boolean {
    if (!(reason instanceof ServerRedirectError) || redirects >= MAX_REDIRECTS) return false;
    const next = referredServer(reason.reference, server());
    if (next === undefined) return false;
    redirects++;
    redirected = next;
    return true;
  }

  async function connect(signal: AbortSignal): Promise<OpenLink> {
    const { version } = options;
    if (version !== "auto") return options.open(server(), version === "5" ? 5 : 4, signal);
    const learnt = learntVersions.get(server());
    try {
      const link = await options.open(server(), learnt ?? 5, signal);
      learntVersions.set(server(), link.version);
      return link;
    } catch (error) {
      if (!(error instanceof UnsupportedVersionError)) throw error;
      if (learnt !== undefined) {
        learntVersions.delete(server());
        throw error;
      }
      log.debug("falling back to MQTT 3.1.1", { error: error.message });
      const link = await options.open(server(), 4, signal);
      // A link that broke while it was made must not cost MQTT 5 for good.
      if (error.stated) learntVersions.set(server(), 4);
      return link;
    }
  }

  async function tryConnect(signal: AbortSignal): Promise<OpenLink | undefined> {
    for (;;) {
      attempts++;
      attemptDueMs = clock.monotonicMs();
      waitsForClock = false;
      try {
        return await connect(signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        waitsForClock = error instanceof CertificateNotYetValidError && !clock.synced();
        failed(
          error as Error,
          waitsForClock
            ? "cannot connect to the broker before the clock is set"
            : "cannot connect to the broker",
        );
        if (follow(error)) continue;
        if (redirected === undefined) turn++;
        redirected = undefined;
        redirects = 0;
        return undefined;
      }
    }
  }

  /** A clock that is set ends the wait for it. */
  async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
    const endMs = clock.monotonicMs() + waitMs;
    for (;;) {
      const leftMs = endMs - clock.monotonicMs();
      if (signal.aborted || leftMs <= 0 || (waitsForClock && clock.synced())) return;
      await clock.sleep(waitsForClock ? Math.min(leftMs, LOOK_AT_CLOCK_MS) : leftMs, signal);
    }
  }

  /** Resolves when the link is gone, with whether a rival threw it out at once. */
  async function live(link: OpenLink, signal: AbortSignal): Promise<boolean> {
    current = link;
    connects++;
    const startMs = clock.monotonicMs();
    log.info("connected to the broker", {
      server: formatServer(server()),
      mqtt: versionName(link),
      outageMs: Math.round(startMs - sinceMs),
    });
    sinceMs = startMs;
    outageLogged = false;
    void takeSteps(link);
    await eitherAborts(link.closed, signal);
    if (signal.aborted) await sayGoodbye(link);
    current = undefined;
    sinceMs = clock.monotonicMs();
    if (signal.aborted) return false;
    const livedMs = sinceMs - startMs;
    const isStable = livedMs >= STABLE_LINK_MS;
    if (isStable) {
      waits = 0;
      redirects = 0;
    }
    const reason = link.closed.reason as Error;
    if (follow(reason)) waits = 0;
    else redirected = undefined;
    const rival = rivals.suspect({ livedMs, reason });
    failed(rival ?? reason, "lost the broker");
    return rival !== undefined && !isStable;
  }

  async function takeSteps(link: OpenLink): Promise<void> {
    const status = { topic: options.statusTopic, payload: ONLINE, qos: 1, retain: true } as const;
    const subscribing = options.subscriptions.map((filter, index, { length }) => ({
      name: `subscribing to ${filter}`,
      async run() {
        await link.subscribe([filter]);
        if (index === length - 1 && !link.closed.aborted) options.onListening?.(link);
      },
    }));
    const announcing = { name: `publishing ${ONLINE}`, run: () => link.publish(status) };
    for (const step of [...subscribing, announcing, ...options.steps]) {
      if (link.closed.aborted) return;
      try {
        await step.run(link);
      } catch (error) {
        // What the broker forbids in one place must not stop the rest.
        if (!link.closed.aborted) log.error(`${step.name} failed`, { error: (error as Error).message });
      }
    }
  }

  async function sayGoodbye(link: OpenLink): Promise<void> {
    const status = { topic: options.statusTopic, payload: OFFLINE, qos: 1, retain: true } as const;
    await withDeadline(clock, "the farewell", FAREWELL_MS / 2, link.publish(status)).catch(() => {});
    await withDeadline(clock, "the farewell", FAREWELL_MS / 2, link.end()).catch(() => {});
    link.abandon(new Error("the node ended the connection"));
  }

  function failed(error: Error, what: string): void {
    lastError = error.message;
    log[outageLogged ? "debug" : "warn"](what, { server: formatServer(server()), error: error.message });
    outageLogged = true;
  }

  return {
    async run(signal) {
      for (let refused = 0; !signal.aborted; ) {
        const link = await tryConnect(signal);
        let isRivalled = false;
        if (link) {
          isRivalled = await live(link, signal);
          refused = 0;
        } else {
          refused++;
        }
        // Every server of the list gets its turn before the wait.
        if (link === undefined && refused % servers.length !== 0) continue;
        waits++;
        const bounds = isRivalled ? truce(options.reconnect) : options.reconnect;
        const waitMs = backoffMs(waits, bounds, random);
        attemptDueMs = clock.monotonicMs() + waitMs;
        await pause(waitMs, signal);
      }
    },
    hasSession: () => current !== undefined && !current.closed.aborted,
    link: () => (current?.closed.aborted ? undefined : current),
    status: () => ({
      connected: current !== undefined,
      server: formatServer(server()),
      version: current && versionName(current),
      sinceMs,
      attempts,
      connects,
      attemptDueMs,
      lastError,
    }),
  };
}

/**
 * Who was thrown out as soon as it came stays away as long as it may. Who had been there for long does not: so of two
 * nodes with one client id one works, and the other looks in now and then, in case it is alone.
 */
function truce({ maxMs }: BackoffBounds): BackoffBounds {
  return { minMs: maxMs / 2, maxMs };
}

function versionName(link: OpenLink): "3.1.1" | "5" {
  return link.version === 5 ? "5" : "3.1.1";
}
