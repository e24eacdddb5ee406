import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { silentLog } from "../../../src/log.ts";
import { contractSpelling } from "../../../src/mqtt/convention/spelling.ts";
import { type OpenLink, type Outgoing, PublishRefusedError } from "../../../src/mqtt/link/link.ts";
import { createUplink, type UplinkDrop, type UplinkOptions } from "../../../src/mqtt/uplink/uplink.ts";
import { DAY_MS, Rig } from "../../outbox/rig.ts";
import { recordingLog } from "../rig.ts";
import { memoryOutbox, reading } from "./memory-outbox.ts";

interface FakeLink extends OpenLink {
  /** What was sent and waits for its PUBACK, in the order sent. */
  readonly waiting: { readonly message: Outgoing; readonly answer: (error?: Error) => void }[];
}

function fakeLink({ receiveMaximum = 65_535 } = {}): FakeLink {
  const closing = new AbortController();
  const waiting: FakeLink["waiting"] = [];
  const unused = () => Promise.reject(new Error("not part of this test"));
  return {
    version: 5,
    receiveMaximum,
    maximumPacketBytes: Number.POSITIVE_INFINITY,
    maximumQos: 2,
    retainAvailable: true,
    closed: closing.signal,
    waiting,
    publish: unused,
    subscribe: unused,
    unsubscribe: unused,
    end: unused,
    publishThen: (message, answer) => void waiting.push({ message, answer }),
    abandon(reason) {
      closing.abort(reason);
      for (const { answer } of waiting.splice(0)) answer(reason);
    },
  };
}

function setUp(options: Partial<UplinkOptions> = {}) {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0, 1) });
  const outbox = memoryOutbox();
  const drops: UplinkDrop[] = [];
  const uplink = createUplink({
    outbox,
    spell: contractSpelling({ topicRoot: "n1", qos: 1 }),
    maxInFlight: 8,
    ratePerSecond: 0,
    clock,
    log: silentLog,
    onDrop: (drop) => void drops.push(drop),
    ...options,
  });
  return { clock, outbox, drops, uplink };
}

const turns = async (count = 4) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};
const seqOf = ({ payload }: Outgoing) => JSON.parse(payload as string).seq as number;

describe("the uplink", () => {
  test("sends the contract's JSON under the topic root", async () => {
    const { outbox, uplink } = setUp();
    outbox.append(reading(21));
    const link = fakeLink();
    void uplink.run(link);
    await turns();
    expect(link.waiting.map(({ message }) => message)).toEqual([
      {
        topic: "n1/telemetry/air",
        payload: '{"seq":1,"time":"2023-11-14T22:13:20.021Z","value":21}',
        qos: 1,
        retain: false,
      },
    ]);
    link.abandon(new Error("done"));
  });

  test.each([
    [3, 65_535, 3],
    [8, 5, 5],
  ])(
    "a window of %i and a Receive Maximum of %i keep %i in flight",
    async (maxInFlight, receiveMaximum, most) => {
      const { outbox, uplink } = setUp({ maxInFlight });
      for (let value = 1; value <= 20; value++) outbox.append(reading(value));
      const link = fakeLink({ receiveMaximum });
      void uplink.run(link);
      await turns();
      expect(link.waiting).toHaveLength(most);
      expect(uplink.status().inFlight).toBe(most);
      link.abandon(new Error("done"));
    },
  );

  test("nothing leaves the outbox before all older records are acknowledged", async () => {
    const { outbox, uplink } = setUp();
    for (let value = 1; value <= 3; value++) outbox.append(reading(value));
    const link = fakeLink();
    void uplink.run(link);
    await turns();
    link.waiting[2]!.answer();
    link.waiting[1]!.answer();
    await turns();
    expect(outbox.entries.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    link.waiting[0]!.answer();
    await turns();
    expect(outbox.entries).toEqual([]);
    expect(uplink.status()).toEqual({ inFlight: 0, delivered: 3, dropped: 0 });
    link.abandon(new Error("done"));
  });

  test("at any order of PUBACKs and any losses of the link, nothing is lost and little repeated", async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("answer" as const), which: fc.nat() }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("append" as const), which: fc.nat(5) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), which: fc.nat() }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 10 }),
        async (steps, window) => {
          const { outbox, uplink } = setUp({ maxInFlight: window });
          const has = new Map<number, number>();
          let link = fakeLink();
          let losses = 0;
          let running = uplink.run(link);
          const answer = (which: number) => {
            if (link.waiting.length === 0) return;
            const [landed] = link.waiting.splice(which % link.waiting.length, 1);
            has.set(seqOf(landed!.message), (has.get(seqOf(landed!.message)) ?? 0) + 1);
            landed!.answer();
          };
          const check = () => {
            const first = outbox.entries[0]?.seq ?? outbox.status().nextSeq;
            for (let seq = 1; seq < first; seq++) expect(has.get(seq) ?? 0).toBeGreaterThan(0);
            expect(link.waiting.length).toBeLessThanOrEqual(window);
          };
          for (const { do: what, which } of steps) {
            if (what === "answer") answer(which);
            else if (what === "append")
              for (let more = 0; more <= which; more++) outbox.append(reading(more));
            else {
              link.abandon(new Error("lost"));
              await running;
              losses++;
              link = fakeLink();
              running = uplink.run(link);
            }
            await turns(2);
            check();
          }
          while (outbox.entries.length > 0) {
            answer(0);
            await turns(2);
          }
          link.abandon(new Error("done"));
          await running;
          const appended = outbox.status().nextSeq - 1;
          const accepted = [...has.values()].reduce((sum, times) => sum + times, 0);
          expect(has.size).toBe(appended);
          expect(accepted - appended).toBeLessThanOrEqual(losses * window);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("a record that cannot be read is dropped, told of, and holds nothing up", async () => {
    const log = recordingLog();
    const { outbox, uplink, drops } = setUp({ log });
    outbox.append(reading(1));
    outbox.append(Uint8Array.of(9, 9, 9));
    outbox.append(Uint8Array.of());
    outbox.append(reading(4));
    const link = fakeLink();
    void uplink.run(link);
    await turns();
    expect(link.waiting.map(({ message }) => seqOf(message))).toEqual([1, 4]);
    for (const { answer } of link.waiting) answer();
    await turns();
    expect(outbox.entries).toEqual([]);
    expect(drops.map(({ seq, reason }) => ({ seq, reason }))).toEqual([
      { seq: 2, reason: "corrupt" },
      { seq: 3, reason: "corrupt" },
    ]);
    expect(log.lines).toHaveLength(1);
    link.abandon(new Error("done"));
  });

  test.each([
    [0x90, "refused"],
    [0x99, "refused"],
    [0x95, "too_large"],
  ])("a record refused with %i is dropped as %s and holds nothing up", async (code, reason) => {
    const { outbox, uplink, drops } = setUp();
    outbox.append(reading(1));
    outbox.append(reading(2));
    const link = fakeLink();
    void uplink.run(link);
    await turns();
    link.waiting[0]!.answer(new PublishRefusedError(code, "no"));
    link.waiting[1]!.answer();
    await turns();
    expect(outbox.entries).toEqual([]);
    expect(drops).toMatchObject([{ seq: 1, reason }]);
    expect(uplink.status()).toEqual({ inFlight: 0, delivered: 1, dropped: 1 });
    link.abandon(new Error("done"));
  });

  test.each([
    [0x97, "an exceeded quota"],
    [0x87, "an access list"],
    [0x80, "a broker in trouble"],
  ])("%i, from %s, costs neither the link nor the record: it is offered again later", async (code) => {
    const log = recordingLog();
    const { clock, outbox, uplink, drops } = setUp({ log });
    outbox.append(reading(1));
    outbox.append(reading(2));
    const link = fakeLink();
    void uplink.run(link);
    for (let round = 0; round < 3; round++) {
      await turns();
      // The first time the whole window went out; then one record goes first, or those behind it would come again.
      expect(link.waiting.map(({ message }) => seqOf(message))).toEqual(round === 0 ? [1, 2] : [1]);
      const [first, ...others] = link.waiting.splice(0);
      first!.answer(new PublishRefusedError(code, "not now"));
      for (const { answer } of others) answer();
      await clock.advance(25_000);
      expect(link.waiting).toEqual([]);
      await clock.advance(10_000);
    }
    expect(link.closed.aborted).toBe(false);
    expect(outbox.entries).toHaveLength(2);
    expect(drops).toEqual([]);
    expect(log.lines).toHaveLength(1);
    for (const seq of [1, 2]) {
      expect(link.waiting.map(({ message }) => seqOf(message))).toEqual([seq]);
      link.waiting.shift()!.answer();
      await turns();
    }
    expect(outbox.entries).toEqual([]);
    link.abandon(new Error("done"));
  });

  describe("of a record that is several messages", () => {
    /** A reading of 1 is one message, a reading of 3 is three; 0 is none. */
    const spell: UplinkOptions["spell"] = (seq, _time, { fieldsJson }) =>
      Array.from({ length: Number(fieldsJson.split(":")[1]) }, (_, index) => ({
        topic: `n1/part/${index}`,
        payload: JSON.stringify({ seq }),
        qos: 1,
        retain: true,
      }));
    const partsOf = (link: FakeLink) =>
      link.waiting.map(({ message }) => `${seqOf(message)}/${message.topic.slice(-1)}`);

    test("it leaves the outbox when all are acknowledged, in whatever order", async () => {
      const { outbox, uplink } = setUp({ spell });
      outbox.append(reading(3));
      outbox.append(reading(1));
      const link = fakeLink();
      void uplink.run(link);
      await turns();
      expect(partsOf(link)).toEqual(["1/0", "1/1", "1/2", "2/0"]);
      for (const index of [3, 2, 0]) link.waiting[index]!.answer();
      await turns();
      expect(outbox.entries.map(({ seq }) => seq)).toEqual([1, 2]);
      link.waiting[1]!.answer();
      await turns();
      expect(outbox.entries).toEqual([]);
      expect(uplink.status()).toEqual({ inFlight: 0, delivered: 2, dropped: 0 });
      link.abandon(new Error("done"));
    });

    test("all of them go out again on the next link where one was not acknowledged", async () => {
      const { outbox, uplink } = setUp({ spell });
      outbox.append(reading(3));
      const first = fakeLink();
      void uplink.run(first);
      await turns();
      first.waiting.shift()!.answer();
      first.abandon(new Error("cut"));
      await turns();
      expect(outbox.entries).toHaveLength(1);
      const next = fakeLink();
      void uplink.run(next);
      await turns();
      expect(partsOf(next)).toEqual(["1/0", "1/1", "1/2"]);
      next.abandon(new Error("done"));
    });

    test("the messages on their way never exceed the broker's Receive Maximum, and keep their order", async () => {
      const { outbox, uplink } = setUp({ spell });
      const counts = [3, 3, 1, 3, 1, 1, 3];
      for (const count of counts) outbox.append(reading(count));
      const link = fakeLink({ receiveMaximum: 2 });
      void uplink.run(link);
      const seen: string[] = [];
      for (let round = 0; round < 40; round++) {
        await turns();
        expect(link.waiting.length).toBeLessThanOrEqual(2);
        seen.push(...partsOf(link).slice(0, 1));
        link.waiting.shift()?.answer();
      }
      expect(seen).toEqual(
        counts.flatMap((count, at) => Array.from({ length: count }, (_, part) => `${at + 1}/${part}`)),
      );
      expect(outbox.entries).toEqual([]);
      link.abandon(new Error("done"));
    });

    test("one refused for good is a record reported once, and the others go out", async () => {
      const { outbox, uplink, drops } = setUp({ spell });
      outbox.append(reading(3));
      const link = fakeLink();
      void uplink.run(link);
      await turns();
      const [one, two, three] = link.waiting;
      one!.answer(new PublishRefusedError(0x95, "too large"));
      two!.answer(new PublishRefusedError(0x95, "too large"));
      expect(drops).toEqual([]);
      three!.answer();
      await turns();
      expect(drops).toMatchObject([{ seq: 1, topic: "telemetry/air", reason: "too_large" }]);
      expect(outbox.entries).toEqual([]);
      link.abandon(new Error("done"));
    });

    test("thousands that become no message at all neither stay nor hold up what else there is to do", async () => {
      const { outbox, uplink } = setUp({ spell });
      for (let value = 1; value <= 5_000; value++) outbox.append(reading(0));
      outbox.append(reading(1));
      const link = fakeLink();
      void uplink.run(link);
      let rounds = 0;
      for (; link.waiting.length === 0 && rounds < 5_000; rounds++) await turns(1);
      expect(partsOf(link)).toEqual(["5001/0"]);
      expect(rounds).toBeGreaterThan(100);
      expect(outbox.entries).toHaveLength(1);
      link.abandon(new Error("done"));
    });
  });

  test("a rate is kept, and smoothly", async () => {
    const { clock, outbox, uplink } = setUp({ ratePerSecond: 100, maxInFlight: 1_000 });
    for (let value = 1; value <= 1_000; value++) outbox.append(reading(value));
    const link = fakeLink();
    void uplink.run(link);
    for (let second = 1; second <= 5; second++) {
      await clock.advance(1_000);
      expect(link.waiting.length).toBeGreaterThanOrEqual(second * 100 - 1);
      expect(link.waiting.length).toBeLessThanOrEqual(second * 100 + 6);
    }
    link.abandon(new Error("done"));
  });
});

test.each(["oldest_first", "live_first"] as const)(
  "sends what is fresh when a backlog that was too old has gone in pieces, and asks for it no more often than that (%s)",
  async (order) => {
    const rig = new Rig({ maxAgeMs: DAY_MS, pieceBytes: 10_000, maxSizeBytes: 8 * 1024 * 1024 });
    const outbox = await rig.open();
    for (let nth = 0; nth < 20_000; nth++) outbox.append(reading(nth));
    await outbox.sync();
    rig.clock.setWall(rig.clock.wallMs() + 2 * DAY_MS);
    outbox.append(reading(1));
    let peeks = 0;
    const peek = outbox.peek.bind(outbox);
    outbox.peek = (from, count) => {
      peeks++;
      return peek(from, count);
    };
    const { uplink } = setUp({ outbox, clock: rig.clock, order });
    const link = fakeLink();
    const over = uplink.run(link);
    await turns();
    outbox.append(reading(2));
    await turns();
    // What comes while there is a link does not wait for what goes.
    expect(outbox.status().depth).toBeGreaterThan(15_000);
    expect(link.waiting.map(({ message }) => seqOf(message))).toEqual(order === "live_first" ? [20_002] : []);
    while (outbox.status().depth > 2) await rig.clock.advance(5);
    await rig.clock.advance(5);
    expect(peeks).toBeLessThan(10);
    expect(link.waiting.map(({ message }) => seqOf(message)).sort()).toEqual([20_001, 20_002]);
    for (const { answer } of link.waiting.splice(0)) answer();
    await turns();
    expect(outbox.status()).toMatchObject({ depth: 0, acknowledged: 2, dropped: 20_000 });
    expect(outbox.takeDrops()).toEqual([{ fromSeq: 1, toSeq: 20_000, count: 20_000, reason: "expired" }]);
    link.abandon(new Error("done"));
    await over;
    await outbox.close();
  },
);
