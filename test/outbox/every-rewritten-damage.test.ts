import { describe, expect, test } from "vitest";
import { Losses } from "../../src/audit/losses.ts";
import { RangeSet } from "../../src/audit/ranges.ts";
import { seededRandom } from "../../src/device/random.ts";
import type { OutboxOptions } from "../../src/outbox/open.ts";
import type { Drop, Outbox } from "../../src/outbox/outbox.ts";
import { type Segment, SegmentCursor } from "../../src/outbox/segments/segment.ts";
import { headerBytes, RECORD_HEADER_BYTES } from "../../src/outbox/segments/segment-format.ts";
import { survey } from "../../src/outbox/segments/survey.ts";
import type { NumberRange } from "../../src/outbox/state/number-set.ts";
import { howMany, SEED } from "../exhaustive.ts";
import { FOLDER, numbers, Rig, TAIL } from "./rig.ts";

/** Of each kind of damage to a folder so many are tried: all of them, but for places where a file may be cut short. */
const CASES = howMany(4, 300);

const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;
/** Of two pages each. */
const SEGMENT_BYTES = 2 * PAGE_BYTES;
const EIGHT: Partial<OutboxOptions> = {
  maxSizeBytes: 20 * 1024 + 8 * SEGMENT_BYTES,
  segmentBytes: SEGMENT_BYTES,
  maxRecordBytes: 400,
};

const records = new Map<number, Buffer>();

/** Says whose it is, and hardly compresses: readings of two sensors in turns, and now and then an event. */
function recordOf(seq: number): Buffer {
  const random = seededRandom(seq);
  const name = seq % 9 === 0 ? "event" : `sensor${seq % 2}`;
  const noise = () => String.fromCharCode(33 + Math.floor(random() * 90));
  const record =
    records.get(seq) ??
    Buffer.from(`${name} ${seq} ${Array.from({ length: 100 + ((seq * 37) % 200) }, noise).join("")}`);
  records.set(seq, record);
  return record;
}

function seriesOf(record: Uint8Array): string | undefined {
  const series = Buffer.from(record).toString("latin1").split(" ")[0]!;
  return series === "event" ? undefined : series;
}

/** Appends records, on flash after every ten: `andThen` something else. */
async function fill(outbox: Outbox, count: number, andThen: () => void = () => {}): Promise<void> {
  for (let left = count; left > 0; left--) {
    outbox.append(recordOf(outbox.status().nextSeq));
    if (left % 10 !== 1) continue;
    await outbox.sync();
    andThen();
  }
}

type Files = ReadonlyMap<string, Buffer>;

function filesOf(rig: Rig): Map<string, Buffer> {
  const names = rig.names().filter((name) => name !== "lock");
  return new Map(names.map((name) => [name, rig.bytesOf(name)]));
}

function rigOn(files: Files, options: Partial<OutboxOptions>): Rig {
  const rig = new Rig(options, undefined, seriesOf);
  rig.mount.makeFolder(FOLDER);
  for (const [name, bytes] of files) {
    const file = rig.mount.open(`${FOLDER}/${name}`, "create");
    file.write(bytes, bytes.length, 0);
    file.close();
  }
  return rig;
}

/** Bytes of a file, and the numbers that they tell of. */
interface Piece {
  readonly start: number;
  readonly end: number;
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** What a file tells of that counts: its header stands for all of it. */
interface Told {
  readonly header: Piece;
  readonly entries: readonly Piece[];
  readonly records: readonly number[];
}

/** A folder with rewritten segments in it, and what is known of it. */
interface Folder {
  readonly options: Partial<OutboxOptions>;
  readonly files: Files;
  /** By name, of the segments that count. */
  readonly told: ReadonlyMap<string, Told>;
  /** Each segment that there ever was and is not there any more, as it was about then. */
  readonly stale: readonly Buffer[];
  readonly lastSeq: number;
  readonly ackedSeq: number;
}

const versionOf = (bytes: Buffer) => bytes.readUInt32LE(8);
const generationOf = (bytes: Buffer) => Number(bytes.readBigUInt64LE(16));

function readAll(rig: Rig, segment: Segment): Told {
  const { header } = segment;
  const whole = new SegmentCursor(rig.mount, segment);
  const entries: Piece[] = [];
  for (let start = whole.offset, entry = whole.next(Infinity); entry; entry = whole.next(Infinity)) {
    const payloadBytes = entry.payload.length || 8;
    const end = start + RECORD_HEADER_BYTES + payloadBytes;
    entries.push({ start, end, fromSeq: entry.fromSeq, toSeq: entry.seq });
    start = whole.offset;
  }
  const single = new SegmentCursor(rig.mount, segment);
  const records: number[] = [];
  for (let entry = single.next(); entry; entry = single.next())
    if (entry.kind === "record") records.push(entry.seq);
  return {
    header: {
      start: 0,
      end: headerBytes(header),
      fromSeq: header.firstSeq,
      toSeq: entries.at(-1)?.toSeq ?? header.firstSeq - 1,
    },
    entries,
    records,
  };
}

/** Days offline, of so many records, that end in a way. */
async function made(
  settings: Partial<OutboxOptions>,
  count: number,
  delivered: number,
  ending: "closed" | "killed",
): Promise<Folder> {
  const options = { ...EIGHT, ...settings };
  const rig = new Rig(options, undefined, seriesOf);
  const ever = new Map<number, Buffer>();
  const remember = () => {
    for (const name of rig.segments()) {
      const bytes = rig.bytesOf(name);
      if (bytes.toString("latin1", 0, 8) === "fpoutbox") ever.set(generationOf(bytes), bytes);
    }
  };
  const outbox = await rig.open();
  await fill(outbox, count, remember);
  const ackedSeq = outbox.peek(1, delivered).at(-1)?.seq ?? 0;
  outbox.ack(ackedSeq);
  // Each record that follows tells of one.
  await fill(outbox, outbox.takeDrops().length);
  const lastSeq = outbox.status().nextSeq - 1;
  if (ending === "closed") await outbox.close();
  else rig.kill();
  const files = filesOf(rig);
  const { segments } = survey(rig.mount, FOLDER);
  const told = new Map(segments.map((segment) => [nameOf(segment), readAll(rig, segment)]));
  for (const bytes of files.values()) if (bytes.length === SEGMENT_BYTES) ever.delete(generationOf(bytes));
  return { options, files, told, stale: [...ever.values()], lastSeq, ackedSeq };
}

const nameOf = ({ path }: Segment) => path.slice(path.lastIndexOf("/") + 1);

/** The numbers that damage to a file touches. */
function touched({ files, told }: Folder, changed: Files): Set<number> {
  const gone = new Set<number>();
  for (const [name, bytes] of changed) {
    const before = files.get(name);
    const { header, entries } = told.get(name) ?? { header: undefined, entries: [] };
    const isElsewhere = [...changed.values()].some((other) => before?.equals(other));
    if (before === undefined || header === undefined || isElsewhere) continue;
    const isChanged = ({ start, end }: Piece) =>
      !bytes.subarray(start, end).equals(before.subarray(start, end));
    for (const piece of isChanged(header) ? [header] : entries.filter(isChanged))
      for (const seq of numbers(piece.fromSeq, piece.toSeq)) gone.add(seq);
  }
  return gone;
}

/** The numbers of segments that do not count where nothing is damaged: of what is touched they may tell something else. */
function spares({ files, told }: Folder, changed: Files): NumberRange[] {
  const there = [...files].filter(([name]) => !told.has(name) && !changed.has(name));
  return [...there, ...changed].flatMap(([, bytes]) => {
    if (bytes.length < SECTOR_BYTES || bytes.toString("latin1", 0, 8) !== "fpoutbox") return [];
    const fromSeq = Number(bytes.readBigUInt64LE(24));
    const isOurs = [...told].some(([name]) => files.get(name)!.subarray(0, 64).equals(bytes.subarray(0, 64)));
    const toSeq = versionOf(bytes) === 3 ? Number(bytes.readBigUInt64LE(64)) : fromSeq + 100;
    return isOurs ? [] : [{ fromSeq, toSeq }];
  });
}

interface Damage {
  readonly what: string;
  readonly changed: Files;
}

/** Opens the outbox on a folder with damage, and holds it to what it promised. */
async function judge(folder: Folder, { what, changed }: Damage, goesOn: boolean): Promise<void> {
  const { options, lastSeq, ackedSeq } = folder;
  const gone = touched(folder, changed);
  const rig = rigOn(new Map([...folder.files, ...changed]), options);
  const outbox = await rig.open();
  const there = expectAccounted(outbox, ackedSeq, lastSeq, what);
  const stays = [...folder.told.values()].flatMap(({ records }) => records);
  const missing = stays.filter((seq) => seq > ackedSeq && !gone.has(seq) && !there.seqs.has(seq));
  expect(missing, `${what}: not touched, and not there`).toEqual([]);
  const corrupt = there.corrupt.filter((seq) => !gone.has(seq));
  expect(corrupt, `${what}: not touched, and told as corrupt`).toEqual([]);
  const others = spares(folder, changed);
  const isMadeUpFor = (seq: number) => others.some(({ fromSeq, toSeq }) => fromSeq <= seq && seq <= toSeq);
  const silent = [...gone].filter(
    (seq) => seq > ackedSeq && seq <= lastSeq && !there.known.has(seq) && !isMadeUpFor(seq),
  );
  expect(silent, `${what}: touched, and not told as corrupt`).toEqual([]);
  const { segments } = survey(rig.mount, FOLDER);
  const isFull = segments.length === 8 && !segments.some(({ makesUp }) => makesUp);
  expect(rig.names().filter((name) => name.endsWith(".damaged")).length, what).toBeLessThanOrEqual(3);
  const { nextSeq } = outbox.status();
  expect(nextSeq, what).toBeGreaterThan(lastSeq);
  await fill(outbox, 3);
  expect(
    outbox.peek(nextSeq, 10).map(({ seq }) => seq),
    what,
  ).toEqual(numbers(nextSeq, nextSeq + 2));
  expect(outbox.takeDrops(), what).toEqual([]);
  expect(rig.disk.usedBytes(FOLDER), what).toBeLessThanOrEqual(rig.options.maxSizeBytes);
  await outbox.close();
  if (!goesOn) return;
  const again = await rig.open();
  expect(
    again.peek(1, 100_000).map(({ seq }) => seq),
    `${what}: the next start`,
  ).toEqual([...there.seqs, ...numbers(nextSeq, nextSeq + 2)]);
  // Full again: what was damaged is written anew, or goes.
  const events = [...there.seqs].filter((seq) => seriesOf(recordOf(seq)) === undefined);
  await fill(again, 70);
  rig.kill();
  const last = await rig.open();
  const left = expectAllKnown(last, ackedSeq, nextSeq - 1, there, `${what}, after more was written`);
  const lost = events.filter((seq) => !left.has(seq) && !gone.has(seq));
  // Without a segment that is free the oldest makes room as it is.
  if (!isFull) expect(lost, `${what}: events, after more was written`).toEqual([]);
  expect(rig.disk.usedBytes(FOLDER), what).toBeLessThanOrEqual(rig.options.maxSizeBytes);
}

/** What starts before this one told. */
interface Accounts {
  readonly drops: readonly Drop[];
  readonly skipped: readonly NumberRange[];
}

const skippedBy = ({ opening }: Outbox): NumberRange[] => (opening.skipped ? [opening.skipped] : []);

/** Each number beyond `ackedSeq` is there as it was appended, or told. */
function expectAllKnown(
  outbox: Outbox,
  ackedSeq: number,
  lastSeq: number,
  { drops, skipped }: Accounts,
  what: string,
): Set<number> {
  const received = new RangeSet();
  if (ackedSeq > 0) received.add(1, ackedSeq);
  const seqs = new Set<number>();
  let before = ackedSeq;
  for (const { seq, record } of outbox.peek(1, 100_000)) {
    if (seq <= before) throw new Error(`${what}: ${seq} comes after ${before}`);
    if (!recordOf(seq).equals(record)) throw new Error(`${what}: ${seq} is not what was appended`);
    received.add(seq);
    seqs.add(seq);
    before = seq;
  }
  const losses = new Losses();
  for (const { fromSeq, toSeq } of [...skipped, ...skippedBy(outbox)])
    losses.skip({ from: fromSeq, to: toSeq });
  for (const { fromSeq, toSeq, count, reason } of [...drops, ...outbox.takeDrops()])
    losses.drop({ from: fromSeq, to: toSeq, count }, reason);
  expect(losses.missing(received.gaps(1, lastSeq)), `${what}: vanished`).toEqual([]);
  return seqs;
}

/** The same, and each of them told once, what is corrupt with its numbers. */
function expectAccounted(outbox: Outbox, ackedSeq: number, lastSeq: number, what: string) {
  outbox.peek(1, 100_000);
  const drops = outbox.takeDrops();
  const skipped = skippedBy(outbox);
  const seqs = expectAllKnown(outbox, ackedSeq, lastSeq, { drops, skipped }, what);
  const corrupt = drops.filter(({ reason }) => reason === "corrupt");
  for (const { fromSeq, toSeq, count } of corrupt) expect(count, what).toBe(toSeq - fromSeq + 1);
  const corruptSeqs = corrupt.flatMap(({ fromSeq, toSeq }) => numbers(fromSeq, toSeq));
  const both = corruptSeqs.filter((seq) => seqs.has(seq));
  expect(both, `${what}: there, and told as corrupt`).toEqual([]);
  const skippedSeqs = skipped.flatMap(({ fromSeq, toSeq }) => numbers(fromSeq, Math.min(toSeq, lastSeq)));
  const told = drops.reduce((sum, { count }) => sum + count, 0);
  expect(seqs.size + told + skippedSeqs.length, `${what}: told twice`).toBe(lastSeq - ackedSeq);
  // Before the oldest that is there a loss may be one for want of room that nobody had taken.
  const [oldest = Infinity] = seqs;
  const head = drops.filter(({ toSeq, reason }) => reason === "full" && toSeq < oldest);
  const headSeqs = head.flatMap(({ fromSeq, toSeq }) => numbers(fromSeq, toSeq));
  const known = new Set([...corruptSeqs, ...skippedSeqs, ...headSeqs]);
  return { seqs, drops, skipped, corrupt: corruptSeqs, known };
}

/** Some of them, spread at random. */
function sampled<T>(all: readonly T[], count: number, random: () => number): T[] {
  if (all.length <= count) return [...all];
  const left = [...all];
  return Array.from({ length: count }, () => left.splice(Math.floor(random() * left.length), 1)[0]!);
}

/** Damage of one kind to a folder: not made before it is wanted. */
type Kind = (folder: Folder) => (() => Damage)[];

const segmentsOf = ({ files }: Folder) => [...files].filter(([name]) => name.endsWith(".seg"));
const rewrittenOf = (folder: Folder) => segmentsOf(folder).filter(([, bytes]) => versionOf(bytes) === 3);
const one = (what: string, name: string, bytes: Buffer): Damage => ({
  what: `${name} ${what}`,
  changed: new Map([[name, bytes]]),
});

const cutShort: Kind = (folder) =>
  rewrittenOf(folder).flatMap(([name, bytes]) =>
    numbers(0, bytes.length - 1)
      .filter((sizeBytes) => sizeBytes < 400 || sizeBytes % 7 === 0)
      .map((sizeBytes) => () => one(`of ${sizeBytes} bytes`, name, bytes.subarray(0, sizeBytes))),
  );

const blank =
  (unitBytes: number, from: (bytes: Buffer, folder: Folder) => Buffer): Kind =>
  (folder) =>
    segmentsOf(folder).flatMap(([name, bytes]) =>
      numbers(0, bytes.length / unitBytes - 1).map((unit) => () => {
        const damaged = Buffer.from(bytes);
        const at = unit * unitBytes;
        from(bytes, folder).copy(damaged, at, at, at + unitBytes);
        return one(`with other bytes from ${at} to ${at + unitBytes}`, name, damaged);
      }),
    );

const ZEROS = Buffer.alloc(SEGMENT_BYTES);
const zeros = () => ZEROS;
const ones = () => Buffer.alloc(SEGMENT_BYTES, 0xff);
/** Whichever file follows it in the folder. */
const anothers = (bytes: Buffer, folder: Folder) => {
  const all = segmentsOf(folder).map(([, other]) => other);
  return all[(all.indexOf(bytes) + 1) % all.length]!;
};

const swapped: Kind = (folder) =>
  segmentsOf(folder).flatMap(([name, bytes], nth) =>
    segmentsOf(folder)
      .slice(nth + 1)
      .map(([other, others]) => () => ({
        what: `${name} and ${other} swapped`,
        changed: new Map([
          [name, others],
          [other, bytes],
        ]),
      })),
  );

const inPlaceOfAnother: Kind = (folder) =>
  segmentsOf(folder).flatMap(([name]) =>
    segmentsOf(folder)
      .filter(([other]) => other !== name)
      .map(
        ([other, bytes]) =>
          () =>
            one(`is ${other}`, name, bytes),
      ),
  );

const staleBeside: Kind = (folder) =>
  folder.stale.map(
    (bytes) => () =>
      one(`is generation ${generationOf(bytes)}, version ${versionOf(bytes)}`, "00000099.seg", bytes),
  );

const staleInPlaceOf: Kind = (folder) =>
  segmentsOf(folder).flatMap(([name]) =>
    folder.stale.map(
      (bytes) => () => one(`is generation ${generationOf(bytes)}, version ${versionOf(bytes)}`, name, bytes),
    ),
  );

const KINDS: readonly (readonly [string, Kind])[] = [
  ["a rewritten segment cut short at any byte", cutShort],
  ["a page of zeros", blank(PAGE_BYTES, zeros)],
  ["a sector of zeros", blank(SECTOR_BYTES, zeros)],
  ["a sector of ones", blank(SECTOR_BYTES, ones)],
  ["a sector of another segment", blank(SECTOR_BYTES, anothers)],
  ["two segments under each other's names", swapped],
  ["a segment in the place of another", inPlaceOfAnother],
  ["a segment that was used again long ago, back beside those that replaced it", staleBeside],
  ["a segment that was used again long ago, back in the place of one of now", staleInPlaceOf],
];

const FOLDERS = [
  ["thinned, and closed", await made({ whenFull: "thin" }, 700, 0, "closed")],
  ["thinned and delivered in part, and closed", await made({ whenFull: "thin" }, 640, 60, "closed")],
  ["thinned behind a tail, and closed", await made({ whenFull: "thin", tail: TAIL }, 700, 0, "closed")],
  ["thinned, and killed", await made({ whenFull: "thin" }, 690, 0, "killed")],
  ["left with events of old times, and closed", await made({ whenFull: "drop_oldest" }, 620, 0, "closed")],
  ["left with events of old times, and killed", await made({ whenFull: "drop_oldest" }, 655, 20, "killed")],
] as const;

describe.each(FOLDERS)(`of an outbox that was %s (SEED=${SEED})`, { timeout: 600_000 }, (_, folder) => {
  test("there are segments that were written anew, and their sources", () => {
    const versions = [...folder.files].filter(([name]) => folder.told.has(name)).map(([, b]) => versionOf(b));
    expect(versions.filter((version) => version === 3).length).toBeGreaterThan(1);
    expect(versions.filter((version) => version === 2).length).toBeGreaterThan(1);
    expect(new Set(folder.stale.map(versionOf))).toEqual(new Set([2, 3]));
  });

  test.each(KINDS)("%s costs what it touches, and that is told", async (_, kind) => {
    const all = kind(folder);
    const chosen = sampled(all, CASES, seededRandom(SEED));
    for (const [nth, make] of chosen.entries()) await judge(folder, make(), nth % 4 === 0);
    // biome-ignore lint/suspicious/noConsole: the numbers of an exhaustive run are worth having
    console.info(`${chosen.length} of ${all.length} tried out, SEED=${SEED}`);
  });
});
