import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { FOLDER, nameOf, Rig, record, TAIL } from "./rig.ts";

/**
 * Random histories of a node against the promise itself: a number, once given, is delivered, or acknowledged, or told
 * as lost; it is never given twice, and the disk is never fuller than allowed. Deaths come between calls, or within
 * one after so many operations on files.
 */
type Step =
  | { readonly do: "append"; readonly count: number }
  | { readonly do: "deliver"; readonly count: number; readonly acknowledged: number }
  | { readonly do: "report" }
  | { readonly do: "sync" }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "reopen" }
  | { readonly do: "kill"; readonly afterOperations: number }
  | { readonly do: "cut"; readonly afterOperations: number };

const MAX_BYTES = 20 * 1024 + 4 * 4096;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 60 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("deliver" as const),
      count: fc.integer({ min: 1, max: 80 }),
      acknowledged: fc.integer({ min: 0, max: 80 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("report" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sync" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 1500 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("kill" as const), afterOperations: fc.nat({ max: 60 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("cut" as const), afterOperations: fc.nat({ max: 60 }) }),
  },
);

/** A file layer whose process dies after so many writes. */
function mortal(files: FileLayer, fuse: { left: number; burn: () => void }): FileLayer {
  return {
    ...files,
    open(path, mode) {
      const file = files.open(path, mode);
      return {
        ...file,
        write(bytes, lengthBytes, position) {
          if (fuse.left-- === 0) fuse.burn();
          file.write(bytes, lengthBytes, position);
        },
        syncNow() {
          if (fuse.left-- === 0) fuse.burn();
          file.syncNow();
        },
      };
    },
  };
}

class History {
  readonly #fuse = { left: Number.POSITIVE_INFINITY, burn: () => this.#rig.mount.kill() };
  readonly #rig: Rig;
  readonly #told = new Set<number>();
  readonly #delivered = new Set<number>();
  readonly #acknowledged = new Set<number>();
  #outbox!: Outbox;
  /** The highest number that any append returned. */
  #given = 0;
  /** Numbers of records that were on flash. */
  readonly #durable = new Set<number>();
  #notDurableSeq = 1;
  #restarted = false;

  constructor(whenFull: "drop_oldest" | "drop_newest", tail: string | undefined) {
    this.#rig = new Rig(
      { whenFull, tail, maxRecordBytes: 100, segmentBytes: 512, maxSizeBytes: MAX_BYTES },
      (files) => mortal(files, this.#fuse),
    );
  }

  async begin(): Promise<void> {
    this.#outbox = await this.#rig.open();
    const { skipped } = this.#outbox.opening;
    if (skipped) {
      this.#tell(skipped.fromSeq, skipped.toSeq);
      this.#expectNotDurable(skipped.fromSeq, skipped.toSeq);
    }
    this.#notDurableSeq = this.#outbox.status().nextSeq;
    expect(this.#notDurableSeq).toBeGreaterThan(this.#given);
  }

  async take(step: Step): Promise<void> {
    const lastDurableSeq = Math.min(this.#given, this.#outbox.status().syncedSeq);
    while (this.#notDurableSeq <= lastDurableSeq) this.#durable.add(this.#notDurableSeq++);
    switch (step.do) {
      case "append":
        for (let i = 0; i < step.count; i++) this.#append();
        break;
      case "deliver":
        this.#deliver(step.count, step.acknowledged);
        break;
      case "report":
        this.#report();
        break;
      case "sync":
        await this.#outbox.sync();
        expect(this.#outbox.status().syncedSeq).toBeGreaterThanOrEqual(
          Math.min(this.#given, this.#lastStored()),
        );
        break;
      case "wait":
        await this.#rig.clock.advance(step.ms);
        break;
      case "reopen":
        this.#restarted = true;
        await this.#outbox.close();
        await this.begin();
        break;
      case "kill":
        this.#die(step.afterOperations);
        this.#rig.kill();
        await this.begin();
        break;
      case "cut":
        this.#die(step.afterOperations);
        this.#rig.cutPower();
        await this.begin();
        break;
    }
    expect(this.#rig.disk.usedBytes(FOLDER)).toBeLessThanOrEqual(MAX_BYTES);
  }

  /** Everything is delivered to the end, and every number has its fate. */
  conclude(): void {
    while (this.#deliver(50, 50) > 0);
    // A loss that goes on is told when it has ended.
    this.#append();
    this.#deliver(1, 1);
    this.#report();
    for (let seq = 1; seq <= this.#given; seq++) {
      if (!this.#delivered.has(seq) && !this.#told.has(seq)) throw new Error(`${seq} vanished`);
      // What was acknowledged after a loss that nobody took is held to be open by the next run.
      const wrong = this.#acknowledged.has(seq) && this.#told.has(seq) && !this.#restarted;
      if (wrong) throw new Error(`${seq} was acknowledged and told as lost`);
    }
    expect(this.#outbox.status().depth).toBe(0);
  }

  #append(): void {
    const { nextSeq } = this.#outbox.status();
    const seq = this.#outbox.append(record(nextSeq));
    expect(seq).toBe(nextSeq);
    expect(seq).toBeGreaterThan(this.#given);
    this.#given = seq;
  }

  #deliver(count: number, acknowledged: number): number {
    const entries = this.#outbox.peek(1, count);
    let before = 0;
    for (const entry of entries) {
      expect(nameOf(entry)).toBe(String(entry.seq));
      expect(entry.seq).toBeGreaterThan(before);
      before = entry.seq;
      this.#delivered.add(entry.seq);
    }
    const done = entries.slice(0, acknowledged);
    if (done.length > 0) this.#outbox.ack(done.at(-1)!.seq);
    for (const { seq } of done) this.#acknowledged.add(seq);
    return entries.length;
  }

  #report(): void {
    for (const { fromSeq, toSeq, count, reason } of this.#outbox.takeDrops()) {
      expect(count).toBeLessThanOrEqual(toSeq - fromSeq + 1);
      this.#tell(fromSeq, toSeq);
      if (reason === "corrupt") this.#expectNotDurable(fromSeq, toSeq);
    }
  }

  #expectNotDurable(fromSeq: number, toSeq: number): void {
    for (let seq = fromSeq; seq <= toSeq; seq++)
      if (this.#durable.has(seq)) throw new Error(`${seq} was on flash`);
  }

  #tell(fromSeq: number, toSeq: number): void {
    for (let seq = fromSeq; seq <= toSeq; seq++) this.#told.add(seq);
  }

  #lastStored(): number {
    const entries = this.#outbox.peek(1, 100_000);
    return entries.at(-1)?.seq ?? 0;
  }

  /** Goes on appending and delivering until the process is dead in the middle of it. What it says then, nobody hears. */
  #die(afterOperations: number): void {
    this.#restarted = true;
    this.#fuse.left = afterOperations;
    while (this.#fuse.left >= 0) {
      const { nextSeq } = this.#outbox.status();
      const seq = this.#outbox.append(record(nextSeq));
      if (this.#fuse.left < 0) break;
      this.#given = seq;
      if (seq % 3 === 0) this.#deliver(2, this.#fuse.left > 2 ? 1 : 0);
    }
    this.#fuse.left = Number.POSITIVE_INFINITY;
  }
}

test.each([
  ["drop_oldest", undefined],
  ["drop_newest", undefined],
  ["drop_oldest", TAIL],
  ["drop_newest", TAIL],
] as const)(
  "whatever happens, every number is delivered or told as lost, and never given twice (%s, tail: %s)",
  async (whenFull, tail) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const history = new History(whenFull, tail);
        await history.begin();
        for (const step of steps) await history.take(step);
        history.conclude();
      }),
      { numRuns: 250 },
    );
  },
  120_000,
);
