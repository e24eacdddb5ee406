import type { Clock } from "../../device/clock.ts";
import type { Log } from "../../log.ts";
import type { Entry, Outbox } from "../../outbox/outbox.ts";
import { decodeMessage } from "../../record/message.ts";
import { decodeSample } from "../../record/record.ts";
import { type BootOffsets, sampleTime } from "../../record/time.ts";
import type { SpellRecord } from "../convention/spelling.ts";
import { type OpenLink, type Outgoing, PublishRefusedError } from "../link/link.ts";
import { createPace, type Pace } from "../link/pace.ts";
import { isFinalRefusal, PACKET_TOO_LARGE } from "../link/reason-codes.ts";
import { type Lane, runLane } from "./lane.ts";
import type { Resent } from "./resend.ts";
import { createWindow, type Window } from "./window.ts";

/** Why a record left the outbox without the broker having it. */
export type UplinkDropReason = "corrupt" | "too_large" | "refused";

export interface UplinkDrop {
  readonly seq: number;
  /** Below the topic root; undefined where the record cannot be read. */
  readonly topic: string | undefined;
  readonly reason: UplinkDropReason;
  readonly error: string;
}

export interface UplinkOptions {
  readonly outbox: Outbox;
  readonly spell: SpellRecord;
  /** What is known of earlier kernel boots; absent: nothing. */
  readonly boots?: BootOffsets;
  /** Messages on the way to the broker at once; capped by its Receive Maximum. */
  readonly maxInFlight: number;
  /**
   * `live_first`: what comes while there is a link goes at once, and what was there before drains beside it. Default:
   * `oldest_first`.
   */
  readonly order?: "oldest_first" | "live_first";
  /** This run's first record, `event/boot`: with `live_first` it goes ahead of what this run takes later. */
  readonly bootSeq?: number;
  /** Records per second; 0: as fast as the broker takes them. With `live_first`: of the backlog. */
  readonly ratePerSecond: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each record that the broker will never have. */
  readonly onDrop: (drop: UplinkDrop) => void;
}

export interface UplinkStatus {
  readonly inFlight: number;
  /** Records that the broker has acknowledged. */
  readonly delivered: number;
  readonly dropped: number;
}

const HELD = "the broker refuses a record; it and those behind it wait";

/** How long records wait that the broker refuses for a reason that may pass. */
const HOLD_MS = 30_000;

/** Of what may be on its way at once, the new records have one part in so many while a backlog drains. */
const LIVE_SHARE = 4;

const UNPACED: Pace = { take: async (wanted) => wanted, spent() {} };

/** One attempt at draining: over which link, at which pace, and what ends it. */
interface Way {
  readonly link: OpenLink;
  readonly pace: Pace;
  /** Aborted where the broker refuses for now. */
  readonly hold: AbortController;
  readonly over: AbortSignal;
  readonly landed: () => void;
}

/** A record as it goes out. */
interface Spelled {
  /** Below the topic root; the whole topic of a message of the user's own code. */
  readonly topic: string;
  readonly messages: readonly Outgoing[];
}

/** The way of the records out of the outbox. */
export interface Uplink {
  readonly name: string;
  /** Drains the outbox over `link` until it closes. */
  run(link: OpenLink): Promise<void>;
  /** Sends nothing more over the link there is; resolves when the broker has answered all that is on its way. */
  finish(): Promise<void>;
  /** Publishes records again that are still on disk, marked `"resent":true`, over the link there is. */
  resend(fromSeq: number, toSeq: number): Promise<Resent>;
  status(): UplinkStatus;
}

export function createUplink(options: UplinkOptions): Uplink {
  const { outbox, boots, clock, log } = options;
  const warned = new Set<string>();
  let windows: readonly Window[] = [];
  let current: OpenLink | undefined;
  let leaving = false;
  let delivered = 0;
  let dropped = 0;

  function warnOnce(message: string, fields: { seq: number; error: string }): void {
    if (!warned.has(message)) log.warn(message, fields);
    warned.add(message);
  }

  function drop(what: Omit<UplinkDrop, "error">, { message: error }: Error): void {
    dropped++;
    warnOnce("a record cannot be delivered and is dropped", { seq: what.seq, error });
    options.onDrop({ ...what, error });
  }

  async function run(link: OpenLink): Promise<void> {
    current = link;
    leaving = false;
    try {
      await drainAll(link);
    } finally {
      if (current === link) current = undefined;
    }
  }

  async function drainAll(link: OpenLink): Promise<void> {
    const liveSeq = outbox.status().nextSeq;
    const pace = createPace(options.ratePerSecond, clock);
    const full = Math.max(1, Math.min(options.maxInFlight, link.receiveMaximum));
    // After a refusal one record goes first: those behind it would arrive again and again.
    let probing = false;
    while (!link.closed.aborted) {
      const pause = new AbortController();
      let passed = false;
      const landed = () => {
        passed = probing;
        if (probing) queueMicrotask(() => pause.abort());
      };
      const over = AbortSignal.any([link.closed, pause.signal]);
      const way = { link, pace, hold: pause, over, landed };
      const liveFirst = !probing && options.order === "live_first" && full > 1 && outbox.canAckAhead();
      if (liveFirst) await drainLiveFirst(way, full, liveSeq);
      else await drainOldestFirst(way, probing ? 1 : full);
      probing = !passed;
      if (passed) {
        warned.delete(HELD);
        log.info("the broker takes records again");
      } else await clock.sleep(HOLD_MS, link.closed);
    }
  }

  /** Until the link closes, or the broker refuses a record for now: then all wait, and nothing is lost. */
  async function drainOldestFirst(way: Way, size: number): Promise<void> {
    const window = createWindow(
      () => (leaving ? 0 : size),
      way.over,
      (seq) => {
        outbox.ack(seq);
        way.landed();
      },
    );
    windows = [window];
    await runLane(lane(way, window, way.pace, 0, Number.POSITIVE_INFINITY));
    windows = [];
  }

  /**
   * The same on two lanes: what is there when the link is made, at its pace, and whatever comes after that at once. The
   * two share the broker's Receive Maximum; the lane of what is new has all of it when the other is through.
   */
  async function drainLiveFirst(way: Way, full: number, liveSeq: number): Promise<void> {
    const share = Math.max(1, Math.floor(full / LIVE_SHARE));
    let behind = full - share;
    const backlog = createWindow(
      () => (leaving ? 0 : behind),
      way.over,
      (seq) => {
        outbox.ack(seq);
        way.landed();
      },
    );
    const live = createWindow(
      () => (leaving ? 0 : full - behind),
      way.over,
      (seq) => {
        outbox.ackAhead(liveSeq, seq);
        way.landed();
      },
    );
    windows = [backlog, live];
    await sendBoot(way, liveSeq);
    await Promise.all([
      runLane(lane(way, live, UNPACED, liveSeq, Number.POSITIVE_INFINITY)),
      runLane(lane(way, backlog, way.pace, 0, liveSeq)).then(async () => {
        await backlog.whenEmpty();
        behind = 0;
      }),
    ]);
    windows = [];
  }

  /** Says what run of the node this is, and of which stream, before anything else of it. */
  async function sendBoot(way: Way, liveSeq: number): Promise<void> {
    const { bootSeq } = options;
    if (bootSeq === undefined || bootSeq >= liveSeq) return;
    const [entry] = outbox.peek(bootSeq, 1);
    if (entry?.seq !== bootSeq) return;
    const window = createWindow(
      () => 1,
      way.over,
      () => outbox.ackAhead(bootSeq, bootSeq),
    );
    send(entry, way, window);
    await window.whenEmpty();
  }

  function lane(way: Way, window: Window, pace: Pace, fromSeq: number, untilSeq: number): Lane {
    const { over } = way;
    return { outbox, fromSeq, untilSeq, window, pace, over, send: (entry) => send(entry, way, window) };
  }

  function send({ seq, record }: Entry, { link, hold }: Way, window: Window): void {
    let spelled: Spelled;
    try {
      spelled = spell(seq, record);
    } catch (error) {
      drop({ seq, topic: undefined, reason: "corrupt" }, error as Error);
      window.land(window.takeOff(seq));
      return;
    }
    const { topic, messages } = spelled;
    const flight = window.takeOff(seq, messages.length);
    let open = messages.length;
    let refused: PublishRefusedError | undefined;
    const land = () => {
      if (refused === undefined) delivered++;
      else drop({ seq, topic, reason: refused.code === PACKET_TOO_LARGE ? "too_large" : "refused" }, refused);
      window.land(flight);
    };
    if (open === 0) land();
    const answered = (error?: Error) => {
      window.answered();
      if (error !== undefined) {
        if (!(error instanceof PublishRefusedError)) return;
        if (!isFinalRefusal(error.code)) {
          warnOnce(HELD, { seq, error: error.message });
          hold.abort();
          return;
        }
        refused ??= error;
      }
      open--;
      if (open === 0) land();
    };
    for (const message of messages) window.send(() => link.publishThen(message, answered));
  }

  function spell(seq: number, record: Uint8Array, resent = false): Spelled {
    const message = decodeMessage(record);
    if (message) return { topic: message.topic, messages: [message] };
    const sample = decodeSample(record);
    const time = sampleTime(sample, clock, boots);
    return {
      topic: sample.topic,
      messages: options.spell(seq, time, resent ? { ...sample, resent } : sample),
    };
  }

  return {
    name: "draining the outbox",
    run,
    async finish() {
      leaving = true;
      await Promise.all(windows.map((window) => window.whenEmpty()));
    },
    resend: async (fromSeq, toSeq) =>
      (await import("./resend.ts")).resend(fromSeq, toSeq, {
        outbox,
        clock,
        link: () => current,
        spell: (seq, record) => spell(seq, record, true).messages,
      }),
    status: () => ({
      inFlight: windows.reduce((sum, window) => sum + window.inFlight(), 0),
      delivered,
      dropped,
    }),
  };
}
