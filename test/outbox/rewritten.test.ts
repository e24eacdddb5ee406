import { describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import type { Drop, Outbox } from "../../src/outbox/outbox.ts";
import { survey } from "../../src/outbox/segments/survey.ts";
import { SEED, sampleOf } from "../exhaustive.ts";
import { type FaultyFiles, faultyFiles, type Operation } from "./faulty-files.ts";
import { FOLDER, numbers, Rig } from "./rig.ts";

/** Readings of two sensors in turns, and now and then an event. */
const isEvent = (seq: number) => seq % 10 === 0;
const name = (seq: number) => (isEvent(seq) ? "event" : `sensor${seq % 2}`);

function bytesOf(seq: number): Buffer {
  return Buffer.from(`${name(seq)} ${seq} ${(seq * 2_654_435_761) >>> 0}`.padEnd(80, "."));
}

function seriesOf(record: Uint8Array): string | undefined {
  const series = Buffer.from(record).toString().split(" ")[0]!;
  return series === "event" ? undefined : series;
}

/** Eight segments of forty records. */
const EIGHT = { maxSizeBytes: 20 * 1024 + 8 * 4096, segmentBytes: 4096, whenFull: "thin" } as const;
const eventsOf = (seqs: readonly number[]) => seqs.filter(isEvent);
const toldIn = (drops: readonly Drop[]) =>
  new Set(drops.flatMap(({ fromSeq, toSeq }) => numbers(fromSeq, toSeq)));

/** Appends records, on flash after every ten. A disk that refuses is one to go on without. */
async function fill(outbox: Outbox, count: number): Promise<void> {
  for (let left = count; left > 0; left--) {
    outbox.append(bytesOf(outbox.status().nextSeq));
    if (left % 10 === 1) await outbox.sync().catch(() => {});
  }
}

/** All that is there, each record as it was appended. */
function seqsIn(outbox: Outbox): number[] {
  const entries = outbox.peek(1, 100_000);
  for (const { seq, record } of entries) expect(Buffer.from(record).toString()).toBe(bytesOf(seq).toString());
  return entries.map(({ seq }) => seq);
}

/** Every number is there or told, and none is both. Returns the events that are there. */
function expectAllAccounted(outbox: Outbox, fromSeq: number, toSeq: number, what: string): number[] {
  const seqs = seqsIn(outbox).filter((seq) => seq <= toSeq);
  const there = new Set(seqs);
  const drops = outbox.takeDrops();
  const told = toldIn(drops);
  expect(
    numbers(fromSeq, toSeq).filter((seq) => !there.has(seq) && !told.has(seq)),
    what,
  ).toEqual([]);
  const count = drops.reduce((sum, drop) => sum + drop.count, 0);
  expect(seqs.length + count, what).toBe(toSeq - fromSeq + 1);
  return eventsOf(seqs);
}

const namesOf = (rig: Rig) => rig.segments();
const rewrittenIn = (rig: Rig) => survey(rig.mount, FOLDER).segments.filter(({ header }) => header.rewritten);

describe("a segment that was written anew", () => {
  test("is on flash before its sources are used again, though the process was killed before it was synced", async () => {
    let dying: Rig | undefined;
    const rig = new Rig(EIGHT, (files) => killedAtSync(files, () => dying?.kill()), seriesOf);
    const first = await rig.open();
    await fill(first, 270);
    await first.sync();
    dying = rig;
    while (dying) {
      first.append(bytesOf(first.status().nextSeq));
      if (first.status().fault !== undefined) dying = undefined;
    }
    const { nextSeq } = first.status();
    const second = await rig.open();
    expect(rewrittenIn(rig).length).toBeGreaterThan(0);
    await fill(second, 30);
    rig.cutPower();
    const third = await rig.open();
    const there = seqsIn(third);
    expect(eventsOf(there).slice(0, 25)).toEqual(eventsOf(numbers(1, 259)).slice(0, 25));
    expect(third.takeDrops().filter(({ reason }) => reason === "corrupt")).toEqual([]);
    expect(nextSeq).toBeGreaterThan(270);
  });

  test("is left, and its file closed, where the disk refuses its sync", async () => {
    let layer: FaultyFiles | undefined;
    const rig = new Rig(
      EIGHT,
      (files) => {
        layer = faultyFiles(files);
        return layer;
      },
      seriesOf,
    );
    const outbox = await rig.open();
    await fill(outbox, 280);
    const openFiles = layer!.openFiles();
    let failures = 0;
    layer!.fault = (operation) => (operation === "sync" && failures++ < 3 ? "EIO" : undefined);
    await fill(outbox, 30);
    layer!.fault = () => undefined;
    await rig.clock.advance(120_000);
    await fill(outbox, 400);
    expect(failures).toBeGreaterThan(2);
    expect(outbox.status().fault).toBeUndefined();
    expect(layer!.openFiles()).toBeLessThanOrEqual(openFiles + 1);
    const events = expectAllAccounted(outbox, 1, 710, "after refused syncs");
    expect(events).toEqual(eventsOf(numbers(1, 710)));
  });
});

/** A file layer whose process dies when a segment is to be synced that does not hold the youngest records. */
function killedAtSync(files: FileLayer, die: () => void): FileLayer {
  return {
    ...files,
    open(path, mode) {
      const file = files.open(path, mode);
      let rewrites = false;
      return {
        ...file,
        write(bytes, lengthBytes, position) {
          file.write(bytes, lengthBytes, position);
          rewrites ||= position === 0 && bytes[8] === 3;
        },
        syncNow() {
          if (rewrites) die();
          file.syncNow();
        },
        sync() {
          if (rewrites) die();
          return file.sync();
        },
      };
    },
  };
}

describe("a folder of before segments were written anew", () => {
  /** Full to the brim, with nothing acknowledged. */
  async function brimful(options: ConstructorParameters<typeof Rig>[0] = EIGHT): Promise<Rig> {
    const rig = new Rig({ ...options, whenFull: "drop_newest" });
    const outbox = await rig.open();
    await fill(outbox, 330);
    await outbox.close();
    expect(rewrittenIn(rig)).toEqual([]);
    return rig;
  }

  test.each(["thin", "drop_oldest"] as const)(
    "costs one segment to go on with %s, and keeps its events from then on",
    async (whenFull) => {
      const old = await brimful();
      const rig = { ...old.options, whenFull };
      const outbox = await open(old, rig);
      const before = outbox.status();
      expect(namesOf(old)).toHaveLength(8);
      await fill(outbox, 400);
      const there = seqsIn(outbox);
      const firstKept = 41;
      expect(eventsOf(there)).toEqual(
        eventsOf([...numbers(firstKept, 320), ...numbers(before.nextSeq, before.nextSeq + 399)]),
      );
      expect(old.disk.usedBytes(FOLDER)).toBeLessThanOrEqual(old.options.maxSizeBytes);
      expect(outbox.takeDrops()[0]).toMatchObject({ reason: "full" });
    },
  );

  test.each([
    [2048, 64, 0],
    [8192, 96, 0],
    [16_384, 128, 0],
    // With less room than before the oldest must go; of the rest no event does.
    [2048, 48, 72],
  ])(
    "keeps its events where segments are now of %i bytes in %i KiB",
    async (segmentBytes, kibibytes, lostEvents) => {
      const rig = new Rig(
        { maxSizeBytes: 84 * 1024, segmentBytes: 4096, maxRecordBytes: 500, whenFull: "thin" },
        undefined,
        seriesOf,
      );
      const first = await rig.open();
      await fill(first, 900);
      await first.close();
      expect(rewrittenIn(rig).length).toBeGreaterThan(0);
      const now = { segmentBytes, maxSizeBytes: (20 + kibibytes) * 1024 };
      const second = await rig.open(now);
      await fill(second, 500);
      await second.close();
      const third = await rig.open(now);
      await fill(third, 100);
      const there = eventsOf(seqsIn(third));
      expect(there).toEqual(eventsOf(numbers(1, 1500)).slice(-there.length));
      expect(there.length).toBeGreaterThanOrEqual(150 - lostEvents);
      expect(rig.disk.usedBytes(FOLDER)).toBeLessThanOrEqual(now.maxSizeBytes);
    },
  );
});

/** Opens a rig's folder with other options, telling readings from events. */
function open(rig: Rig, options: Rig["options"]): Promise<Outbox> {
  return Object.assign(rig, { seriesOf }).open(options);
}

const CODES = ["ENOSPC", "EROFS", "EIO", "EACCES", "EMFILE"] as const;
const OPERATIONS: readonly Operation[] = ["open", "read", "write", "sync", "remove", "syncFolder"];

/** When a disk begins to refuse, and how often it does. */
const REFUSALS = [
  ...[0, 2, 7].map((at) => ({ whenFull: "thin", at }) as const),
  ...[1, 4, 15].map((at) => ({ whenFull: "drop_oldest", at }) as const),
].flatMap((begin) => [1, begin.at + 2, Number.POSITIVE_INFINITY].map((failures) => ({ ...begin, failures })));

const random = seededRandom(SEED);

describe.each(OPERATIONS)(
  `a disk that refuses %s while segments are written anew (SEED=${SEED})`,
  (operation) => {
    test.each(CODES)(
      "with %s costs no event, from whichever moment on and for however long",
      async (code) => {
        for (const { whenFull, at, failures } of sampleOf(REFUSALS, 6, random)) {
          const what = `${whenFull}, ${code} from the ${at}th ${operation} on, ${failures} times`;
          let layer: FaultyFiles | undefined;
          const rig = new Rig({ ...EIGHT, whenFull }, (files) => (layer ??= faultyFiles(files)), seriesOf);
          const outbox = await rig.open();
          await fill(outbox, 280);
          let calls = 0;
          let failed = 0;
          layer!.fault = (asked) => {
            if (asked !== operation || calls++ < at || failed >= failures) return undefined;
            failed++;
            return code;
          };
          await fill(outbox, 60);
          const asked = layer!.calls.length;
          await rig.clock.advance(3000);
          // A few tries a second: it does not spin.
          expect(layer!.calls.length - asked, what).toBeLessThan(600);
          layer!.fault = () => undefined;
          await rig.clock.advance(120_000);
          expect(outbox.status().fault, what).toBeUndefined();
          await fill(outbox, 100);
          expect(layer!.openFiles(), what).toBeLessThanOrEqual(8);
          expect(rig.disk.usedBytes(FOLDER), what).toBeLessThanOrEqual(rig.options.maxSizeBytes);
          // A medium that gives nothing back has room made by giving up what cannot be read: that is told.
          const unreadable = code === "EIO" && (operation === "open" || operation === "read") && failures > 1;
          const events = expectAllAccounted(outbox, 1, 440, what);
          if (!unreadable) expect(events, what).toEqual(eventsOf(numbers(1, 440)));
          await outbox.close();
          const again = await rig.open();
          expect(eventsOf(seqsIn(again)), what).toEqual(events);
          await again.close();
        }
      },
    );
  },
);

/** The folder of a node that was killed right after it wrote segments anew: the sources of the last are still there. */
async function killedFiles(): Promise<Map<string, Buffer>> {
  const rig = new Rig(EIGHT, undefined, seriesOf);
  await fill(await rig.open(), 700);
  rig.kill();
  const names = rig.names().filter((file) => file !== "lock");
  return new Map(names.map((file) => [file, rig.bytesOf(file)]));
}

/** Opens an outbox on files of which one is damaged. */
async function openDamaged(
  files: ReadonlyMap<string, Buffer>,
  name: string,
  damaged: Buffer,
): Promise<Outbox> {
  const rig = new Rig(EIGHT, undefined, seriesOf);
  rig.mount.makeFolder(FOLDER);
  for (const [file, bytes] of files) {
    const open = rig.mount.open(`${FOLDER}/${file}`, "create");
    open.write(file === name ? damaged : bytes, file === name ? damaged.length : bytes.length, 0);
    open.close();
  }
  return rig.open();
}

test("damage to a segment that was written anew costs no number that it or its sources can still tell of", async () => {
  const files = await killedFiles();
  const whole = new Set(seqsIn(await openDamaged(files, "", Buffer.alloc(0))));
  const rewritten = [...files].filter(
    ([file, bytes]) => file.endsWith(".seg") && bytes.readUInt32LE(8) === 3,
  );
  expect(rewritten.length).toBeGreaterThan(1);
  for (const [file, bytes] of rewritten)
    for (let bit = 0; bit < bytes.length * 8; bit += bit < 96 * 8 ? 61 : 1201) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const outbox = await openDamaged(files, file, damaged);
      const there = new Set(seqsIn(outbox));
      const drops = outbox.takeDrops();
      const corrupt = toldIn(drops.filter(({ reason }) => reason === "corrupt"));
      const what = `${file}, bit ${bit}`;
      expect(
        [...there].filter((seq) => corrupt.has(seq)),
        what,
      ).toEqual([]);
      expect(
        [...whole].filter((seq) => isEvent(seq) && !there.has(seq) && !corrupt.has(seq)),
        what,
      ).toEqual([]);
      const first = Number(bytes.readBigUInt64LE(24));
      const last = Number(bytes.readBigUInt64LE(64));
      expect(
        [...corrupt].filter((seq) => seq < first || seq > last),
        what,
      ).toEqual([]);
      outbox.append(bytesOf(outbox.status().nextSeq));
      await outbox.close();
    }
});
