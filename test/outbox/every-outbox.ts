import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { type OutboxOptions, openOutbox } from "../../src/outbox/open.ts";
import { drain, fill, nameOf, numbers, record, SMALL } from "./rig.ts";

/** What every outbox promises, whatever its files lie on. `place` gives a fresh folder each time. */
export function everyOutbox(
  name: string,
  place: () => { files: FileLayer; path: string; tail?: string },
): void {
  describe(`an outbox on ${name}`, () => {
    const bench = (changes: Partial<OutboxOptions> = {}) => {
      const { files, path, tail } = place();
      const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0) });
      const open = () =>
        openOutbox({ ...SMALL, path, tail, ...changes }, { files, clock, random: seededRandom(1) });
      return { files, path, clock, open };
    };

    test("numbers records from 1 on, without a hole", async () => {
      const outbox = await bench().open();
      expect([outbox.append(record(1)), outbox.append(record(2)), outbox.append(record(3))]).toEqual([
        1, 2, 3,
      ]);
      await outbox.close();
    });

    test("gives records back in order, byte for byte", async () => {
      const outbox = await bench().open();
      const records = [new Uint8Array(0), Uint8Array.of(0, 255, 1), Buffer.alloc(1024, 7), record("end")];
      for (const bytes of records) outbox.append(bytes);
      const entries = outbox.peek(1, 10);
      expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
      for (const [i, entry] of entries.entries()) expect(Buffer.compare(entry.record, records[i]!)).toBe(0);
      await outbox.close();
    });

    test("keeps what it handed out unchanged while it goes on", async () => {
      const outbox = await bench().open();
      fill(outbox, 30);
      const entries = outbox.peek(1, 30);
      outbox.ack(30);
      fill(outbox, 500);
      expect(entries.map(nameOf)).toEqual(numbers(1, 30).map(String));
      await outbox.close();
    });

    test("keeps a copy of what is appended", async () => {
      const outbox = await bench().open();
      const bytes = Buffer.from("before");
      outbox.append(bytes);
      bytes.write("after.");
      expect(nameOf(outbox.peek(1, 1)[0]!)).toBe("before");
      await outbox.close();
    });

    test("peeks only at what is not acknowledged, from the number asked for, at most as many as asked for", async () => {
      const outbox = await bench().open();
      fill(outbox, 20);
      outbox.ack(5);
      expect(outbox.peek(1, 3).map(({ seq }) => seq)).toEqual([6, 7, 8]);
      expect(outbox.peek(10, 2).map(({ seq }) => seq)).toEqual([10, 11]);
      expect(outbox.peek(21, 2)).toEqual([]);
      expect(outbox.peek(1, 0)).toEqual([]);
      await outbox.close();
    });

    test("ignores an acknowledgement that lies behind, and refuses one of a number never given", async () => {
      const outbox = await bench().open();
      fill(outbox, 9);
      outbox.ack(7);
      outbox.ack(3);
      expect(drain(outbox)).toEqual([8, 9]);
      expect(() => outbox.ack(10)).toThrow("10 was never appended");
      await outbox.close();
    });

    test("refuses a record above the limit without using up a number", async () => {
      const outbox = await bench().open();
      expect(() => outbox.append(new Uint8Array(1025))).toThrow(RangeError);
      expect(outbox.append(new Uint8Array(1024))).toBe(1);
      await outbox.close();
    });

    test("is the same after it was closed and opened again", async () => {
      const { open } = bench();
      const first = await open();
      fill(first, 60);
      first.ack(25);
      await first.close();
      const second = await open();
      expect(second.opening).toEqual({ stream: first.opening.stream, run: 2, lastEnd: "clean" });
      expect(drain(second)).toEqual(numbers(26, 60));
      expect(second.append(record(61))).toBe(61);
      await second.close();
    });

    test("says first that there was none before", async () => {
      const outbox = await bench().open();
      expect(outbox.opening).toEqual({
        stream: expect.stringMatching(/^[0-9a-f]{8}$/),
        run: 1,
        lastEnd: "none",
      });
      await outbox.close();
    });

    test("tells who waits when a record arrives, or when waiting is given up", async () => {
      const outbox = await bench().open();
      const signal = new AbortController();
      const arrived: string[] = [];
      const third = outbox.available(3, signal.signal).then(() => arrived.push("third"));
      const never = outbox.available(99, signal.signal).then(() => arrived.push("never"));
      fill(outbox, 2);
      await Promise.resolve();
      expect(arrived).toEqual([]);
      fill(outbox, 1);
      await third;
      expect(arrived).toEqual(["third"]);
      signal.abort();
      await never;
      await outbox.available(2, new AbortController().signal);
      await outbox.close();
    });

    test("counts depth, bytes, age and what went through", async () => {
      const { open, clock } = bench();
      const outbox = await open();
      fill(outbox, 3);
      await clock.advance(5000);
      fill(outbox, 60);
      outbox.ack(3);
      expect(outbox.status()).toMatchObject({
        depth: 60,
        depthBytes: 60 * 80,
        firstSeq: 4,
        nextSeq: 64,
        oldestWallMs: clock.wallMs(),
        appended: 63,
        acknowledged: 3,
        dropped: 0,
        fault: undefined,
      });
      outbox.ack(63);
      expect(outbox.status()).toMatchObject({ depth: 0, depthBytes: 0, firstSeq: undefined });
      await outbox.close();
    });

    test("uses two segments over and over while everything is acknowledged", async () => {
      const outbox = await bench().open();
      for (let i = 0; i < 1000; i++) outbox.ack(fill(outbox, 1));
      expect(outbox.status().diskBytes).toBe(place().tail ? 0 : 2 * 4096);
      await outbox.close();
    });

    test("gives up the oldest records when it is full, and says exactly which", async () => {
      const outbox = await bench().open();
      fill(outbox, 400);
      const left = drain(outbox);
      expect(left.at(-1)).toBe(400);
      expect(left).toEqual(numbers(left[0]!, 400));
      expect(outbox.takeDrops()).toEqual([
        { fromSeq: 1, toSeq: left[0]! - 1, count: left[0]! - 1, reason: "full" },
      ]);
      expect(outbox.status()).toMatchObject({ depth: left.length, dropped: left[0]! - 1 });
      await outbox.close();
    });

    test("turns the newest records away when it is full and so configured, and says exactly which", async () => {
      const outbox = await bench({ whenFull: "drop_newest" }).open();
      // No two of them alike, for what repeats itself takes less room.
      const random = seededRandom(5);
      const noise = () => Buffer.from(Array.from({ length: 80 }, () => random() * 256));
      for (let i = 0; i < 300; i++) outbox.append(noise());
      const kept = outbox.peek(1, 1000).map(({ seq }) => seq);
      expect(kept).toEqual(numbers(1, kept.length));
      expect(outbox.takeDrops()).toEqual([]);
      outbox.ack(kept.length);
      expect(fill(outbox, 1)).toBe(301);
      expect(drain(outbox)).toEqual([301]);
      outbox.ack(301);
      expect(outbox.takeDrops()).toEqual([
        { fromSeq: kept.length + 1, toSeq: 300, count: 300 - kept.length, reason: "full" },
      ]);
      await outbox.close();
    });

    test("has waited-for records on flash without being asked", async () => {
      const { open, clock } = bench();
      const outbox = await open();
      fill(outbox, 10);
      expect(outbox.status().syncedSeq).toBe(0);
      await clock.advance(900);
      await clock.advance(200);
      for (let turn = 0; turn < 100 && outbox.status().syncedSeq < 10; turn++)
        await new Promise((r) => setTimeout(r, 5));
      expect(outbox.status().syncedSeq).toBe(10);
      await outbox.close();
    });

    test("has everything on flash when asked", async () => {
      const outbox = await bench().open();
      fill(outbox, 100);
      await outbox.sync();
      expect(outbox.status().syncedSeq).toBe(100);
      await outbox.close();
    });

    test("refuses to be used after it was closed, and can be closed twice", async () => {
      const outbox = await bench().open();
      await outbox.close();
      await outbox.close();
      expect(() => outbox.append(record(1))).toThrow("closed");
    });

    test("leaves files of others in its folder alone", async () => {
      const { files, path, open } = bench();
      files.makeFolder(path);
      const journal = files.open(`${path}/commands.journal`, "create");
      journal.write(Buffer.from("mine"), 4, 0);
      journal.close();
      const outbox = await open();
      fill(outbox, 500);
      await outbox.close();
      const again = files.open(`${path}/commands.journal`, "read");
      expect(again.sizeBytes()).toBe(4);
      again.close();
    });
  });
}
