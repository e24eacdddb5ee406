import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import type { OutboxOptions } from "../../src/outbox/open.ts";
import type { Drop, Outbox } from "../../src/outbox/outbox.ts";
import { howMany, SEED } from "../exhaustive.ts";
import { DAY_MS, drop, fill, numbers, Rig, record, TAIL } from "./rig.ts";

const nameIn = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1").split(".")[0]!;

/** A rig that remembers the names of records given up. */
function listening(options: ConstructorParameters<typeof Rig>[0]): { rig: Rig; givenUp: string[] } {
  const rig = new Rig(options);
  const givenUp: string[] = [];
  rig.accountsIn = (bytes) => {
    givenUp.push(nameIn(bytes));
    return [];
  };
  return { rig, givenUp };
}

const names = (fromSeq: number, toSeq: number) => numbers(fromSeq, toSeq).map(String);

/** So that a log is full as soon as it seems to be. */
function incompressible(name: string | number, bytes: number): Uint8Array {
  return Buffer.concat([Buffer.from(`${name}.`.padEnd(20, ".")), randomBytes(bytes - 20)]);
}

/** All that can be peeked, from the oldest on. */
function waiting(outbox: Outbox): string[] {
  return outbox.peek(1, 10_000).map(({ record }) => nameIn(record));
}

describe("every record that is given up is looked at for what it tells of losses", () => {
  test("one that finds no room", async () => {
    const { rig, givenUp } = listening({ whenFull: "drop_newest" });
    const outbox = await rig.open();
    fill(outbox, 200);
    const kept = waiting(outbox);
    expect(kept.length).toBeLessThan(200);
    expect([...kept, ...givenUp]).toEqual(names(1, 200));
  });

  test("one in a tail for which there is no room on the disk", async () => {
    const { rig, givenUp } = listening({ whenFull: "drop_newest", tail: TAIL });
    const outbox = await rig.open();
    for (const seq of numbers(1, 1000)) {
      outbox.append(incompressible(seq, 80));
      if (seq % 100 === 0) await outbox.sync();
    }
    const kept = waiting(outbox);
    expect(givenUp.length).toBeGreaterThan(0);
    expect([...kept, ...givenUp].map(Number).sort((a, b) => a - b)).toEqual(numbers(1, 1000));
  });

  test("one that waits in memory longer than there is memory", async () => {
    const { rig, givenUp } = listening({ maxRecordBytes: 1024 });
    const outbox = await rig.open();
    rig.disk.refuseWrites("EIO");
    const long = (seq: number) => Buffer.from(String(seq).padEnd(1024, "."));
    for (const seq of numbers(1, 5_000)) outbox.append(long(seq));
    const kept = waiting(outbox);
    expect(givenUp.length).toBeGreaterThan(500);
    expect([...givenUp, ...kept]).toEqual(names(1, 5_000));
  });

  test("one that is too old, and one of the oldest where the log is full", async () => {
    const { rig, givenUp } = listening({ maxAgeMs: DAY_MS });
    const outbox = await rig.open();
    fill(outbox, 10);
    await rig.clock.advance(2 * DAY_MS);
    fill(outbox, 200);
    const kept = waiting(outbox);
    expect([...givenUp, ...kept]).toEqual(names(1, 210));
  });
});

describe("the report of a loss that is itself lost", () => {
  /** The first ten have expired, and their report finds no room. */
  async function withReportLost() {
    const { rig, givenUp } = listening({ whenFull: "drop_newest", maxAgeMs: DAY_MS });
    const outbox = await rig.open();
    fill(outbox, 10);
    await rig.clock.advance(0.6 * DAY_MS);
    while (givenUp.length === 0) fill(outbox, 1);
    givenUp.length = 0;
    await rig.clock.advance(0.6 * DAY_MS);
    expect(givenUp).toEqual(names(1, 10));
    return { rig, outbox, givenUp };
  }

  test("is not asked for as long as there is no room, and then once more", async () => {
    const { outbox, givenUp } = await withReportLost();
    expect(outbox.takeDrops()).toEqual([drop(1, 10, "expired")]);
    const turnedAway = outbox.append(record("report"));
    expect(waiting(outbox)).not.toContain("report");
    // The outbox tells of it again: nobody else has to.
    expect(givenUp).not.toContain("report");
    expect(outbox.takeDrops()).toEqual([]);
    outbox.ack(60);
    outbox.append(record("room"));
    const again = outbox.takeDrops();
    expect(again).toContainEqual(drop(1, 10, "expired"));
    expect(again.some(({ fromSeq, toSeq }) => fromSeq <= turnedAway && turnedAway <= toSeq)).toBe(true);
    for (const _ of again) outbox.append(record("report"));
    expect(outbox.takeDrops()).toEqual([]);
  });

  test.each(["kill", "close"] as const)("is asked for by the next run too (%s)", async (ending) => {
    const { rig, outbox } = await withReportLost();
    expect(outbox.takeDrops()).toEqual([drop(1, 10, "expired")]);
    outbox.append(record("report"));
    if (ending === "kill") rig.kill();
    else await outbox.close();
    const next = await rig.open();
    next.peek(1, 1);
    expect(next.takeDrops()).toContainEqual(drop(1, 10, "expired"));
  });
});

const told = ({ fromSeq, toSeq, count, reason }: Drop) => `told ${fromSeq} ${toSeq} ${count} ${reason} `;

function accountsIn(bytes: Uint8Array): readonly Drop[] {
  const [, fromSeq, toSeq, count, reason] = /^told (\d+) (\d+) (\d+) (\w+) /.exec(nameIn(bytes)) ?? [];
  if (reason === undefined) return [];
  return [drop(Number(fromSeq), Number(toSeq), reason as Drop["reason"], Number(count))];
}

describe("what a record told of losses that finds no room itself", () => {
  const account = drop(1, 3, "expired");
  const again = { ...account, again: true };

  async function turnedAway() {
    const rig = new Rig({ whenFull: "drop_newest" });
    rig.accountsIn = accountsIn;
    const outbox = await rig.open();
    fill(outbox, 200);
    outbox.append(record(told(account)));
    expect(waiting(outbox)).not.toContain(told(account));
    return { rig, outbox };
  }

  test("is not told again before there is room, and then once", async () => {
    const { outbox } = await turnedAway();
    expect(outbox.takeDrops()).toEqual([]);
    fill(outbox, 20);
    expect(outbox.takeDrops()).toEqual([]);
    outbox.ack(100);
    outbox.append(record("room"));
    expect(outbox.takeDrops()[0]).toEqual(again);
    expect(outbox.takeDrops()).toEqual([]);
  });

  test.each(["kill", "cutPower", "close"] as const)("is told by the next run too (%s)", async (ending) => {
    const { rig, outbox } = await turnedAway();
    if (ending === "close") await outbox.close();
    else rig[ending]();
    expect((await rig.open()).takeDrops()).toContainEqual(again);
  });

  test("is not told by later runs when it was told for certain", async () => {
    const { rig, outbox } = await turnedAway();
    outbox.ack(100);
    outbox.append(record("room"));
    for (const lost of outbox.takeDrops()) outbox.append(record(told(lost)));
    await outbox.sync();
    rig.kill();
    expect((await rig.open()).takeDrops()).not.toContainEqual(again);
  });
});

/** A file layer whose process dies after so many operations. */
function mortal(files: FileLayer, fuse: { left: number; burn: () => void }): FileLayer {
  const count = () => {
    if (fuse.left-- === 0) fuse.burn();
  };
  return {
    ...files,
    open(path, mode) {
      const file = files.open(path, mode);
      return {
        ...file,
        write(bytes, lengthBytes, position) {
          count();
          file.write(bytes, lengthBytes, position);
        },
        syncNow() {
          count();
          file.syncNow();
        },
        async sync() {
          count();
          await file.sync();
        },
      };
    },
  };
}

/** Of an earlier time: nothing in these histories is expired. */
const ACCOUNTS = [drop(1, 3, "expired"), drop(11, 13, "expired"), drop(999, 999, "expired")];

/**
 * A node in small: three accounts, and then events that fill the log over and over, so many between two looks at what was
 * lost, which it tells. Throws when its process dies, not before the log is nearly full.
 */
async function run(rig: Rig, perLook: number, isDead: () => boolean, nearlyFull: () => void): Promise<void> {
  rig.accountsIn = accountsIn;
  const outbox = await rig.open();
  const append = (name: string) => {
    outbox.append(incompressible(name, 150));
    if (isDead()) throw new Error("dead");
  };
  for (const account of ACCOUNTS) append(told(account));
  for (const _ of numbers(1, 68)) append("event");
  await outbox.sync();
  nearlyFull();
  for (const _ of numbers(1, perLook > 2 ? 3 : 16)) {
    for (const _ of numbers(1, perLook)) append("event");
    for (const lost of outbox.takeDrops()) append(told(lost));
    await outbox.sync();
  }
}

/** What is accounted for: in records that are there, and in what is to be told. */
function accounts(outbox: Outbox): readonly Drop[] {
  const there = outbox.peek(1, 10_000).flatMap(({ record }) => accountsIn(record));
  return [...there, ...outbox.takeDrops().map(({ again: _, ...account }) => account)];
}

const LOSING: ReadonlyArray<readonly ["kill" | "cutPower", number, Partial<OutboxOptions>]> = [
  ["kill", 2, {}],
  ["cutPower", 2, {}],
  ["kill", 40, {}],
  ["cutPower", 40, {}],
  ["kill", 40, { tail: TAIL }],
  ["cutPower", 40, { tail: TAIL }],
  ["kill", 20, { whenFull: "drop_newest" }],
  ["cutPower", 20, { whenFull: "drop_newest" }],
];

test.each(LOSING)(
  "an account is never gone, at whatever operation the process dies (%s, %i events a look, %o): its record is still there, or it is told anew",
  async (ending, perLook, options) => {
    let died = true;
    const step = perLook > 2 ? howMany(4, 1) : 1;
    for (let operations = SEED % step; died; operations += step) {
      const fuse = {
        left: Number.POSITIVE_INFINITY,
        burn() {
          died = true;
          rig.mount.kill();
        },
      };
      const rig = new Rig(
        { maxRecordBytes: 400, segmentBytes: 2048, ...options },
        (files) => mortal(files, fuse),
        () => undefined,
      );
      died = false;
      const nearlyFull = () => {
        fuse.left = operations;
      };
      await run(rig, perLook, () => died, nearlyFull).catch((error: unknown) =>
        expect(died, String(error)).toBe(true),
      );
      fuse.left = Number.POSITIVE_INFINITY;
      rig[ending]();
      const outbox = await rig.open();
      expect(accounts(outbox), `SEED=${SEED}, dies after ${operations}`).toEqual(
        expect.arrayContaining(ACCOUNTS),
      );
      if (!died) expect(operations).toBeGreaterThan(60);
      await outbox.close();
    }
  },
);
