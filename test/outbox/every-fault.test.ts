import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { openOutbox } from "../../src/outbox/open.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { SEED, sampleOf } from "../exhaustive.ts";
import { type FaultyFiles, faultyFiles, type Operation } from "./faulty-files.ts";
import { FOLDER, nameOf, numbers, Rig, record, TAIL } from "./rig.ts";

const CODES = ["ENOSPC", "EROFS", "EIO", "EACCES", "EMFILE"] as const;
const OPERATIONS: readonly Operation[] = ["open", "read", "write", "sync", "rename", "remove", "syncFolder"];

/** What became of every number of a run. */
interface Account {
  readonly delivered: Set<number>;
  readonly told: Set<number>;
  given: number;
}

function append(outbox: Outbox, account: Account, count: number): void {
  for (; count > 0; count--) {
    const seq = outbox.append(record(outbox.status().nextSeq));
    expect(seq).toBe(account.given + 1);
    account.given = seq;
  }
}

function deliver(outbox: Outbox, account: Account, count: number): void {
  const entries = outbox.peek(1, count);
  for (const entry of entries) {
    expect(nameOf(entry)).toBe(String(entry.seq));
    account.delivered.add(entry.seq);
  }
  const last = entries.at(-1);
  if (last) outbox.ack(last.seq);
  for (const { fromSeq, toSeq } of outbox.takeDrops())
    for (const seq of numbers(fromSeq, toSeq)) account.told.add(seq);
}

/** A run that does everything the outbox does with its files after it was opened. */
async function run(rig: Rig, outbox: Outbox, account: Account): Promise<void> {
  const sync = () => outbox.sync().catch(() => {});
  append(outbox, account, 30);
  await sync();
  deliver(outbox, account, 10);
  append(outbox, account, 40);
  await rig.clock.advance(1000);
  deliver(outbox, account, 50);
  append(outbox, account, 60);
  await sync();
  deliver(outbox, account, 30);
  append(outbox, account, 10);
}

/** How often a run without a fault asks for each operation. */
async function countCalls(): Promise<Map<Operation, number>> {
  const { rig, outbox, layer } = await opened();
  const before = layer.calls.length;
  await run(rig, outbox, { delivered: new Set(), told: new Set(), given: 0 });
  const counts = new Map<Operation, number>();
  for (const { operation } of layer.calls.slice(before))
    counts.set(operation, (counts.get(operation) ?? 0) + 1);
  return counts;
}

async function opened(tail?: string): Promise<{ rig: Rig; outbox: Outbox; layer: FaultyFiles }> {
  let layer: FaultyFiles | undefined;
  const rig = new Rig({ tail }, (files) => {
    layer ??= faultyFiles(files);
    return layer;
  });
  const outbox = await rig.open();
  return { rig, outbox, layer: layer! };
}

const counts = await countCalls();

const random = seededRandom(SEED);

describe.each(OPERATIONS)(`a disk that refuses %s (SEED=${SEED})`, (operation) => {
  /** Points of the run at which it begins: all of them where they are few. */
  const count = counts.get(operation) ?? 0;
  const points = numbers(0, count).filter((at) => at < 12 || at % 5 === 0);

  test.each(CODES)("with %s costs nothing, from whichever moment on and for however long", async (code) => {
    for (const at of sampleOf(points, 4, random))
      for (const failures of [1, 3, Number.POSITIVE_INFINITY]) {
        const what = `${code} from the ${at}th ${operation} on, ${failures} times`;
        // Both tiers, in turns: with a tail what the disk refuses is there all the same.
        const { rig, outbox, layer } = await opened(at % 2 === 0 ? undefined : TAIL);
        let calls = 0;
        let failed = 0;
        layer.fault = (asked, path) => {
          if (asked !== operation || !path.startsWith(FOLDER) || calls++ < at || failed >= failures)
            return undefined;
          failed++;
          return code;
        };
        const account: Account = { delivered: new Set(), told: new Set(), given: 0 };
        await run(rig, outbox, account);
        layer.fault = () => undefined;
        await rig.clock.advance(5000);
        expect(outbox.status().fault, what).toBeUndefined();
        await outbox.sync();
        append(outbox, account, 5);
        deliver(outbox, account, 1000);
        const missing = numbers(1, account.given).filter((seq) => !account.delivered.has(seq));
        expect(missing, what).toEqual([]);
        expect([...account.told], what).toEqual([]);
        expect(rig.disk.usedBytes(FOLDER), what).toBeLessThanOrEqual(rig.options.maxSizeBytes);
        await outbox.close();
        const again = await rig.open();
        expect(again.opening, what).toMatchObject({ lastEnd: "clean" });
        expect(again.status(), what).toMatchObject({ nextSeq: account.given + 1, depth: 0 });
      }
  });
});

describe("a disk that fails while the outbox is opened", () => {
  test.each(CODES)("with %s, at whichever moment, leaves nothing open and nothing lost", async (code) => {
    for (const ending of ["clean", "killed"] as const)
      for (let at = 0; ; at++) {
        const what = `${code} at the ${at}th operation after a ${ending} end`;
        const { rig, outbox, layer } = await opened(ending === "killed" ? TAIL : undefined);
        for (let i = 0; i < 100; i++) outbox.append(record(i + 1));
        outbox.ack(30);
        if (ending === "clean") await outbox.close();
        else rig.kill();
        const next = ending === "clean" ? layer : faultyFiles(rig.mount);
        const options = { ...rig.options };
        const dependencies = { files: next, clock: rig.clock, random: Math.random };
        let calls = 0;
        next.fault = () => (calls++ === at ? code : undefined);
        const openFiles = next.openFiles();
        const early: { fromSeq: number; toSeq: number }[] = [];
        const failed = await openOutbox(options, dependencies).catch((error: unknown) => error);
        next.fault = () => undefined;
        if (failed instanceof Error) {
          expect(failed, what).toMatchObject({ code });
          expect(next.openFiles(), what).toBe(openFiles);
        } else {
          const outbox = failed as Outbox;
          outbox.peek(1, 1000);
          early.push(...outbox.takeDrops(), ...(outbox.opening.skipped ? [outbox.opening.skipped] : []));
          await outbox.close().catch(() => {});
        }
        const again = await openOutbox(options, dependencies);
        expect(again.status().nextSeq, what).toBeGreaterThan(100);
        const left = again.peek(1, 1000).map(({ seq }) => seq);
        // A medium that cannot give back what is there counts as damaged: that is told.
        const told = [
          ...early,
          ...again.takeDrops(),
          ...(again.opening.skipped ? [again.opening.skipped] : []),
        ].flatMap(({ fromSeq, toSeq }) => numbers(fromSeq, toSeq));
        const known = numbers(31, 100).filter((seq) => left.includes(seq) || told.includes(seq));
        expect(known, what).toEqual(numbers(31, 100));
        if (code !== "EIO")
          expect(
            told.filter((seq) => seq <= 100),
            what,
          ).toEqual([]);
        if (calls <= at) break;
      }
  });
});
