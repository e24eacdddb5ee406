import type { Duplex } from "node:stream";
import { type Clock, withDeadline } from "../../device/clock.ts";
import type { Random } from "../../device/random.ts";
import type { Log } from "../../log.ts";
import { formatServer, referredServer, type Server } from "../broker/server.ts";
import type { Dial } from "../link/dial.ts";
import {
  CertificateNotYetValidError,
  type OpenLink,
  ServerRedirectError,
  SessionTakenOverError,
} from "../link/link.ts";
import { eitherAborts } from "./aborts.ts";
import { type BackoffBounds, backoffMs } from "./backoff.ts";
import { createHomecoming } from "./homecoming.ts";
import { createRivalWatch } from "./rival.ts";
import { createVersionChoice, type Open } from "./version-choice.ts";

/** Something to do on each new link, in its turn. The last one may go on until the link closes. */
export interface LinkStep {
  readonly name: string;
  run(link: OpenLink): Promise<void>;
  /** The node is about to leave this link for another broker: sends nothing more; resolves when nothing is on its way. */
  finish?(): Promise<void>;
}

export interface SessionOptions {
  /** Tried in turn; at least one. The node comes back to the first. */
  readonly servers: readonly Server[];
  readonly clientId: string;
  /** `auto`: 5, and 3.1.1 with a broker that does not speak it. */
  readonly version: "auto" | "3.1.1" | "5";
  readonly open: Open;
  /** Looks whether the first server is back while another one serves. Absent: it is not looked for. */
  readonly dial?: Dial | undefined;
  /** Subscribed before anything is sent: a long backlog must not leave the node deaf. */
  readonly subscriptions: readonly string[];
  /** What is said on each new link, in this order. */
  readonly steps: readonly LinkStep[];
  /** The last words on a link that the node ends itself. Default: none. */
  readonly farewell?: (link: OpenLink) => Promise<void>;
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
  /** Where a broker further down the list serves: the first one, which is looked for. */
  readonly awayFrom: string | undefined;
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
  /** Goes on until `signal` aborts; then says its last words and goodbye, within a second. Never rejects. */
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

/** How long a broker that is left may take over what is on its way. What it has not answered goes to the next one. */
const LEAVE_MS = 5_000;

const FAREWELL_MS = 1_000;

/** A link was lost; to a rival, as soon as it was made; or given up, to go back to the first server. */
type LinkEnding = "lost" | "rivalled" | "moved";

export function createSession(options: SessionOptions): Session {
  const { servers, clock, random, log } = options;
  const open = createVersionChoice(options.version, options.open, log);
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

  const homecoming =
    options.dial && servers.length > 1
      ? createHomecoming({ ...options, home: servers[0]!, dial: options.dial })
      : undefined;
  /** A stream to the first server, for the next connection. */
  let wayHome: Duplex | undefined;
  /** The first server was come back to, and has not yet proved to be there for long. */
  let onTrial = false;

  const server = () => redirected ?? servers[turn % servers.length]!;
  const isAway = () => turn % servers.length !== 0;

  /** Whether the reason is a broker that sends us elsewhere, and there is an elsewhere to go to at once. */
  function follow(reason: unknown): boolean {
    if (!(reason instanceof ServerRedirectError) || redirects >= MAX_REDIRECTS) return false;
    const next = referredServer(reason.reference, server());
    if (next === undefined) return false;
    redirects++;
    redirected = next;
    return true;
  }

  async function tryConnect(signal: AbortSignal): Promise<OpenLink | undefined> {
    for (;;) {
      attempts++;
      attemptDueMs = clock.monotonicMs();
      waitsForClock = false;
      const way = wayHome?.destroyed ? undefined : wayHome;
      wayHome = undefined;
      try {
        return await open(server(), signal, way);
      } catch (error) {
        way?.destroy();
        if (signal.aborted) return undefined;
        waitsForClock = error instanceof CertificateNotYetValidError && !clock.synced();
        failed(
          error as Error,
          waitsForClock
            ? "cannot connect to the broker before the clock is set"
            : "cannot connect to the broker",
        );
        if (follow(error)) continue;
        homeLasted(0, false);
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

  /** Resolves when the link is gone, with what that was. */
  async function live(link: OpenLink, signal: AbortSignal): Promise<LinkEnding> {
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
    wayHome = await stay(link, signal);
    if (wayHome) await leave(link, signal);
    if (signal.aborted) await sayGoodbye(link);
    current = undefined;
    sinceMs = clock.monotonicMs();
    if (signal.aborted) return "lost";
    const livedMs = sinceMs - startMs;
    const isStable = livedMs >= STABLE_LINK_MS;
    // Whoever does not keep the node is not tried again before those that did.
    if (homeLasted(livedMs, isStable) === "left") turn++;
    if (isStable) {
      waits = 0;
      redirects = 0;
    }
    if (wayHome) {
      turn = 0;
      redirected = undefined;
      onTrial = true;
      return "moved";
    }
    const reason = link.closed.reason as Error;
    if (follow(reason)) waits = 0;
    else redirected = undefined;
    const rival = rivals.suspect({ livedMs, reason });
    failed(rival ?? reason, "lost the broker");
    // A broker that closes one link after the other as soon as it stands is as good as down.
    if (rival && !isStable && !(reason instanceof SessionTakenOverError)) turn++;
    return rival !== undefined && !isStable ? "rivalled" : "lost";
  }

  /** Until the link is gone, or the first server is there again: then with a stream to it. */
  async function stay(link: OpenLink, signal: AbortSignal): Promise<Duplex | undefined> {
    if (homecoming && isAway()) return homecoming.watch(AbortSignal.any([link.closed, signal]));
    await eitherAborts(link.closed, signal);
    return undefined;
  }

  /** What is on its way arrives, and whoever listens to this broker hears that the node is not there any more. */
  async function leave(link: OpenLink, signal: AbortSignal): Promise<void> {
    log.info("going back to the first broker", {
      from: formatServer(server()),
      to: formatServer(servers[0]!),
    });
    const finished = Promise.all(options.steps.map((step) => step.finish?.()));
    const finishing = Promise.race([finished, eitherAborts(link.closed, signal)]);
    await withDeadline(clock, "leaving the broker", LEAVE_MS, finishing).catch(() => {});
    if (!signal.aborted && !link.closed.aborted) await sayGoodbye(link);
  }

  /** Whether it was worth coming back. */
  function homeLasted(livedMs: number, isStable: boolean): "stayed" | "left" {
    const failed = onTrial && !isStable;
    if (onTrial) homecoming?.stayed(livedMs, isStable);
    onTrial = false;
    return failed ? "left" : "stayed";
  }

  async function takeSteps(link: OpenLink): Promise<void> {
    const subscribing = options.subscriptions.map((filter, index, { length }) => ({
      name: `subscribing to ${filter}`,
      async run() {
        await link.subscribe([filter]);
        if (index === length - 1 && !link.closed.aborted) options.onListening?.(link);
      },
    }));
    for (const step of [...subscribing, ...options.steps]) {
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
    const { farewell = async () => {} } = options;
    await withDeadline(clock, "the farewell", FAREWELL_MS / 2, farewell(link)).catch(() => {});
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
        const ending = link && (await live(link, signal));
        refused = link ? 0 : refused + 1;
        if (ending === "moved") continue;
        // Every server of the list gets its turn before the wait.
        if (link === undefined && refused % servers.length !== 0) continue;
        waits++;
        const bounds = ending === "rivalled" ? truce(options.reconnect) : options.reconnect;
        const waitMs = backoffMs(waits, bounds, random);
        attemptDueMs = clock.monotonicMs() + waitMs;
        await pause(waitMs, signal);
      }
      wayHome?.destroy();
    },
    hasSession: () => current !== undefined && !current.closed.aborted,
    link: () => (current?.closed.aborted ? undefined : current),
    status: () => ({
      connected: current !== undefined,
      server: formatServer(server()),
      awayFrom: current && isAway() ? formatServer(servers[0]!) : undefined,
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
