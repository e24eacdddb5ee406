import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Ledger } from "../../../src/audit/ledger.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { silentLog } from "../../../src/log.ts";
import { contractSpelling } from "../../../src/mqtt/convention/spelling.ts";
import { type OpenLink, type Outgoing, PublishRefusedError } from "../../../src/mqtt/link/link.ts";
import { createUplink, type UplinkOptions } from "../../../src/mqtt/uplink/uplink.ts";
import { memoryDisk } from "../../../src/outbox/files/memory.ts";
import type { SeriesOf } from "../../../src/outbox/intake/thinning.ts";
import { type OutboxOptions, openOutbox } from "../../../src/outbox/open.ts";
import { createRecorder } from "../../../src/record/recorder.ts";
import { seriesOf } from "../../../src/record/series.ts";
import { howMany } from "../../exhaustive.ts";
import { memoryOutbox, reading } from "./memory-outbox.ts";

interface Answered {
  readonly message: Outgoing;
  readonly answer: (error?: Error) => void;
}

/** A link whose broker answers when `answer` says so; default: a millisecond later. */
function fakeLink(clock: VirtualClock, options: { receiveMaximum?: number; manual?: boolean } = {}) {
  const closing = new AbortController();
  const heard: { readonly seq: number; readonly atMs: number; readonly json: Record<string, unknown> }[] = [];
  const waiting: Answered[] = [];
  let most = 0;
  const unused = () => Promise.reject(new Error("not part of this test"));
  const publishThen = (message: Outgoing, answer: (error?: Error) => void) => {
    const json = JSON.parse(message.payload as string);
    heard.push({ seq: json.seq, atMs: clock.monotonicMs(), json });
    const one = { message, answer };
    waiting.push(one);
    most = Math.max(most, waiting.length);
    if (options.manual) return;
    void clock.sleep(1).then(() => {
      if (closing.signal.aborted) return;
      waiting.splice(waiting.indexOf(one), 1);
      answer();
    });
  };
  const link: OpenLink = {
    version: 5,
    receiveMaximum: options.receiveMaximum ?? 65_535,
    maximumPacketBytes: Number.POSITIVE_INFINITY,
    maximumQos: 2,
    retainAvailable: true,
    closed: closing.signal,
    publish: (message) =>
      new Promise((resolve, reject) => publishThen(message, (error) => (error ? reject(error) : resolve()))),
    subscribe: unused,
    unsubscribe: unused,
    end: unused,
    publishThen,
    abandon(reason) {
      closing.abort(reason);
      for (const { answer } of waiting.splice(0)) answer(reason);
    },
  };
  return { link, heard, waiting, most: () => most };
}

const turns = async (count = 6) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

async function durable(
  options: Partial<UplinkOptions> = {},
  limits: Partial<OutboxOptions> = {},
  seriesOf?: SeriesOf,
) {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0, 1) });
  const mount = memoryDisk().mount();
  const outbox = await openOutbox(
    {
      path: "/o",
      maxSizeBytes: 64 * 1024 ** 2,
      maxAgeMs: 1e12,
      whenFull: "drop_oldest",
      syncAfterMs: 3_600_000,
      ...limits,
    },
    { files: mount, clock, random: () => 0.5, ...(seriesOf && { seriesOf }) },
  );
  let online = false;
  const recorder = createRecorder(outbox, clock, () => online);
  const bootSeq = recorder.record("event/boot", { boot: 1, stream: outbox.opening.stream });
  const uplink = createUplink({
    outbox,
    spell: contractSpelling({ topicRoot: "n1", qos: 1 }),
    maxInFlight: 64,
    ratePerSecond: 1_000,
    bootSeq,
    clock,
    log: silentLog,
    onDrop() {},
    ...options,
  });
  return {
    clock,
    outbox,
    uplink,
    take: (value: number) => recorder.record("telemetry/air", { value }),
    setOnline(is: boolean) {
      online = is;
    },
  };
}

/** At a thousand records a second. */
const BACKLOG_SECONDS = howMany(30, 100);
const BACKLOG = 1_000 * BACKLOG_SECONDS;

describe(`a backlog of ${BACKLOG} records`, () => {
  test("drains at its rate while each new reading goes at once, with live_first", async () => {
    const node = await durable({ order: "live_first" });
    for (let value = 2; value <= BACKLOG; value++) node.take(value);
    const { link, heard, most } = fakeLink(node.clock);
    node.setOnline(true);
    const running = node.uplink.run(link);
    const taken = new Map<number, number>();
    const startMs = node.clock.monotonicMs();
    const lived = 11 * BACKLOG_SECONDS;
    for (let tenth = 0; tenth < lived; tenth++) {
      await node.clock.advance(100);
      taken.set(node.take(tenth), node.clock.monotonicMs());
    }
    await node.clock.advance(1_000);
    const backlog = heard.filter(({ seq }) => seq <= BACKLOG);
    const live = heard.filter(({ seq }) => seq > BACKLOG);
    expect(backlog).toHaveLength(BACKLOG);
    expect(live).toHaveLength(lived);
    const seconds = (backlog.at(-1)!.atMs - startMs) / 1_000;
    expect(BACKLOG / seconds).toBeGreaterThan(950);
    expect(BACKLOG / seconds).toBeLessThan(1_050);
    // Each ten seconds by themselves, too.
    for (let from = 10_000; from < BACKLOG - 10_000; from += 10_000) {
      const tenMs = backlog[from + 10_000]!.atMs - backlog[from]!.atMs;
      expect(10_000_000 / tenMs).toBeGreaterThan(950);
      expect(10_000_000 / tenMs).toBeLessThan(1_050);
    }
    expect(Math.max(...live.map(({ seq, atMs }) => atMs - taken.get(seq)!))).toBeLessThanOrEqual(5);
    // Of a run the first record is the first, and what was taken without a session says so.
    expect(heard[0]).toMatchObject({ seq: 1, json: { historical: true } });
    expect(backlog.every(({ json }) => json["historical"] === true)).toBe(true);
    expect(live.every(({ json }) => json["historical"] === undefined)).toBe(true);
    expect(most()).toBeLessThanOrEqual(64);
    expect(node.outbox.status()).toMatchObject({ depth: 0, acknowledged: BACKLOG + lived });
    const ledger = new Ledger("n1");
    for (const { seq, json } of heard)
      ledger.observe(seq === 1 ? "event/boot" : "telemetry/air", JSON.stringify(json));
    expect(ledger.verdict()).toMatchObject({ lost: 0, duplicates: 0, received: BACKLOG + lived });
    link.abandon(new Error("done"));
    await running;
  });

  test("goes out in order and at its rate, the new behind the old, with oldest_first", async () => {
    const node = await durable();
    for (let value = 2; value <= BACKLOG; value++) node.take(value);
    const { link, heard } = fakeLink(node.clock);
    void node.uplink.run(link);
    const startMs = node.clock.monotonicMs();
    node.take(0);
    await node.clock.advance(1_100 * BACKLOG_SECONDS);
    expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: BACKLOG + 1 }, (_, nth) => nth + 1));
    const rate = BACKLOG / ((heard.at(-1)!.atMs - startMs) / 1_000);
    expect(rate).toBeGreaterThan(950);
    expect(rate).toBeLessThan(1_050);
    link.abandon(new Error("done"));
  });
});

describe("live_first", () => {
  function setUp(options: Partial<UplinkOptions> = {}) {
    const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0, 1) });
    const outbox = memoryOutbox();
    const uplink = createUplink({
      outbox,
      spell: contractSpelling({ topicRoot: "n1", qos: 1 }),
      maxInFlight: 8,
      order: "live_first",
      ratePerSecond: 0,
      clock,
      log: silentLog,
      onDrop() {},
      ...options,
    });
    return { clock, outbox, uplink };
  }

  test("leaves the broker's Receive Maximum alone, and a broker that takes one at a time gets the oldest first", async () => {
    for (const receiveMaximum of [1, 2, 5]) {
      const { clock, outbox, uplink } = setUp();
      for (let value = 1; value <= 30; value++) outbox.append(reading(value));
      const { link, most, heard } = fakeLink(clock, { receiveMaximum });
      void uplink.run(link);
      for (let more = 0; more < 20; more++) {
        outbox.append(reading(more));
        await clock.advance(2);
      }
      await clock.advance(100);
      expect(most()).toBe(receiveMaximum);
      expect(outbox.entries).toEqual([]);
      if (receiveMaximum === 1) expect(heard.map(({ seq }) => seq)).toEqual(heard.map((_, nth) => nth + 1));
      link.abandon(new Error("done"));
    }
  });

  test("goes back to the oldest first when no more can be remembered as acknowledged ahead", async () => {
    const { clock, outbox, uplink } = setUp({ ratePerSecond: 10 });
    outbox.canAckAhead = () => false;
    for (let value = 1; value <= 5; value++) outbox.append(reading(value));
    const { link, heard } = fakeLink(clock);
    void uplink.run(link);
    outbox.append(reading(6));
    await clock.advance(1_000);
    expect(heard.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    link.abandon(new Error("done"));
  });

  test("holds back old and new alike while the broker refuses, then goes on", async () => {
    const { clock, outbox, uplink } = setUp({ maxInFlight: 4 });
    for (let value = 1; value <= 3; value++) outbox.append(reading(value));
    const { link, waiting, heard } = fakeLink(clock, { manual: true });
    void uplink.run(link);
    await turns();
    outbox.append(reading(4));
    await turns();
    for (const { answer } of waiting.splice(0)) answer(new PublishRefusedError(0x97, "not now"));
    await clock.advance(29_000);
    expect(waiting).toEqual([]);
    await clock.advance(2_000);
    for (let round = 0; round < 10; round++) {
      for (const { answer } of waiting.splice(0)) answer();
      await turns();
    }
    expect(outbox.entries).toEqual([]);
    expect(new Set(heard.map(({ seq }) => seq))).toEqual(new Set([1, 2, 3, 4]));
    link.abandon(new Error("done"));
  });

  test("at any order of PUBACKs and any losses of the link nothing is lost, and only what was on its way comes twice", async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("answer" as const), which: fc.nat() }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("append" as const), which: fc.nat(5) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), which: fc.nat(3) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 2, max: 10 }),
        async (steps, size) => {
          const { clock, outbox, uplink } = setUp({ maxInFlight: size });
          const has = new Map<number, number>();
          let repeatable = 0;
          let far = fakeLink(clock, { manual: true });
          let running = uplink.run(far.link);
          const answer = (which: number) => {
            if (far.waiting.length === 0) return;
            const [landed] = far.waiting.splice(which % far.waiting.length, 1);
            const { seq } = JSON.parse(landed!.message.payload as string);
            has.set(seq, (has.get(seq) ?? 0) + 1);
            landed!.answer();
          };
          for (const { do: what, which } of steps) {
            if (what === "answer") answer(which);
            else if (what === "append")
              for (let more = 0; more <= which; more++) outbox.append(reading(more));
            else {
              far.link.abandon(new Error("lost"));
              await running;
              repeatable += size;
              for (let more = 0; more < which; more++) outbox.append(reading(more));
              far = fakeLink(clock, { manual: true });
              running = uplink.run(far.link);
            }
            await turns(3);
            expect(far.waiting.length).toBeLessThanOrEqual(size);
            // Whatever left the outbox, the broker has.
            const there = new Set(outbox.entries.map(({ seq }) => seq));
            for (let seq = 1; seq < outbox.status().nextSeq; seq++)
              if (!there.has(seq)) expect(has.get(seq) ?? 0).toBeGreaterThan(0);
          }
          for (let rounds = 0; outbox.entries.length > 0 && rounds < 2_000; rounds++) {
            answer(0);
            await turns(3);
          }
          far.link.abandon(new Error("done"));
          await running;
          const appended = outbox.status().nextSeq - 1;
          expect(has.size).toBe(appended);
          const accepted = [...has.values()].reduce((sum, times) => sum + times, 0);
          expect(accepted - appended).toBeLessThanOrEqual(repeatable);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("resend", () => {
  // Loaded when it is first needed: a virtual clock does not wait for that.
  beforeAll(async () => void (await import("../../../src/mqtt/uplink/resend.ts")));

  test("publishes again what is on disk, marked, beside new records, and says what is not there", async () => {
    const node = await durable({ ratePerSecond: 0 });
    for (let value = 2; value <= 1_000; value++) node.take(value);
    const { link, heard } = fakeLink(node.clock);
    void node.uplink.run(link);
    await node.clock.advance(2_000);
    expect(node.outbox.status().depth).toBe(0);
    const before = heard.length;
    const again = node.uplink.resend(501, 1_200);
    await node.clock.advance(500);
    const seq = node.take(0);
    const takenMs = node.clock.monotonicMs();
    expect(await node.clock.run(again)).toEqual({
      resent: 501,
      waiting: 0,
      missing: [{ from_seq: 1_002, to_seq: 1_200 }],
      missing_count: 199,
    });
    const after = heard.slice(before);
    expect(after.find((one) => one.seq === seq)!.atMs - takenMs).toBeLessThanOrEqual(5);
    const resent = after.filter(({ json }) => json["resent"] === true);
    expect(resent.map((one) => one.seq)).toEqual(Array.from({ length: 501 }, (_, nth) => 501 + nth));
    const ledger = new Ledger("n1");
    for (const { json } of heard) ledger.observe("telemetry/air", JSON.stringify(json));
    expect(ledger.verdict()).toMatchObject({ duplicates: 0, resent: 501, lost: 0 });
    link.abandon(new Error("done"));
  });

  test("leaves the node its turns while it looks at thousands of records that go out anyhow", async () => {
    const node = await durable({ ratePerSecond: 1 });
    for (let value = 2; value <= 9_000; value++) node.take(value);
    const { link } = fakeLink(node.clock);
    void node.uplink.run(link);
    let ended = false;
    const again = node.uplink.resend(1, 9_000).finally(() => {
      ended = true;
    });
    let others = 0;
    for (; !ended; others++) await new Promise(setImmediate);
    expect(others).toBeGreaterThan(15);
    expect(await again).toMatchObject({ resent: 0, waiting: 9_000, missing_count: 0 });
    link.abandon(new Error("done"));
  });

  test("publishes again what was kept where readings were thinned out, and names the others as missing", async () => {
    const small = { maxSizeBytes: 20 * 1024 + 8 * 4096, segmentBytes: 4096, maxRecordBytes: 1024 };
    const thin = { ...small, whenFull: "thin", syncAfterMs: 0 } as const;
    const node = await durable({ ratePerSecond: 0 }, thin, seriesOf);
    for (let value = 2; value <= 500; value++) node.take(value);
    const { givenUp, firstSeq } = node.outbox.status();
    expect(firstSeq).toBe(1);
    expect(givenUp).toBeGreaterThan(50);
    const { link, heard } = fakeLink(node.clock);
    void node.uplink.run(link);
    await node.clock.advance(2_000);
    expect(node.outbox.status().depth).toBe(0);
    const kept = heard.map(({ seq }) => seq);
    expect(kept).toHaveLength(500 - givenUp);
    const again = await node.clock.run(node.uplink.resend(1, 500));
    expect(again).toMatchObject({ resent: kept.length, waiting: 0, missing_count: givenUp });
    expect(heard.slice(kept.length).map(({ seq }) => seq)).toEqual(kept);
    const gone = Array.from({ length: 500 }, (_, nth) => nth + 1).filter((seq) => !kept.includes(seq));
    const named = again.missing.flatMap(({ from_seq, to_seq }) =>
      gone.filter((seq) => seq >= from_seq && seq <= to_seq),
    );
    expect(named).toEqual(gone.slice(0, named.length));
    expect(again.missing).toHaveLength(16);
    link.abandon(new Error("done"));
  });

  test("is refused where it asks for too much or there is no broker, and ends with the link", async () => {
    const node = await durable({ ratePerSecond: 0 });
    for (let value = 2; value <= 100; value++) node.take(value);
    await expect(node.uplink.resend(1, 2)).rejects.toThrow("no broker");
    const { link } = fakeLink(node.clock);
    void node.uplink.run(link);
    await node.clock.advance(1_000);
    await expect(node.uplink.resend(1, 10_001)).rejects.toThrow("at most 10000 numbers at a time");
    const again = node.uplink.resend(1, 100);
    again.catch(() => {});
    await node.clock.advance(20);
    link.abandon(new Error("cut"));
    await node.clock.advance(100);
    await expect(again).rejects.toThrow(/^\d+ were published again, then: cut$/);
  });
});
