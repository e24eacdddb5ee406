import type { DiskState, Operation } from "./recorded-disk.ts";

/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;

/** What something was after an operation that no sync has covered yet. */
interface Version<T> {
  readonly at: number;
  readonly value: T;
}

interface File {
  /** As the running kernel sees it. */
  bytes: Uint8Array;
  /** As flash holds it for certain. */
  durable: Uint8Array;
  readonly sectors: Map<number, Version<Uint8Array>[]>;
  sizes: Version<number>[];
}

type NameChange = Extract<Operation, { do: "create" | "rename" | "remove" }>;

/** Picks one of `count` possibilities: 0 is the oldest, what flash holds for certain; the last is the youngest. */
export type Choose = (count: number) => number;

/**
 * A disk with a volatile cache above it, carried through a log of operations. Each sector, size and name that no sync
 * has covered may be on flash as it was after any operation since, whatever the others are.
 */
export class CachedDisk {
  readonly #files: File[];
  readonly #names: Map<string, number>;
  #changes: Version<NameChange>[] = [];

  constructor(start: DiskState) {
    this.#files = [...start.values()].map((bytes) => ({
      bytes,
      durable: bytes,
      sectors: new Map(),
      sizes: [],
    }));
    this.#names = new Map([...start.keys()].map((name, index) => [name, index]));
  }

  /** Carries out the operation that stands at `at` in the log. */
  apply(operation: Operation, at: number): void {
    switch (operation.do) {
      case "create":
        this.#files[operation.file] = {
          bytes: new Uint8Array(0),
          durable: new Uint8Array(0),
          sectors: new Map(),
          sizes: [],
        };
        this.#changes.push({ at, value: operation });
        break;
      case "rename":
      case "remove":
        this.#changes.push({ at, value: operation });
        break;
      case "write":
        write(this.#files[operation.file]!, operation.at, operation.bytes, at);
        break;
      case "truncate":
        truncate(this.#files[operation.file]!, operation.sizeBytes, at);
        break;
      case "sync":
        persist(this.#files[operation.file]!, operation.until);
        break;
      case "syncFolder":
        for (const { at: changedAt, value } of this.#changes)
          if (changedAt < operation.until) change(this.#names, value);
        this.#changes = this.#changes.filter(({ at: changedAt }) => changedAt >= operation.until);
        break;
    }
  }

  /** What the cut may leave: one state for each way to choose. */
  state(choose: Choose): DiskState {
    const names = new Map(this.#names);
    for (const { value } of this.#changes) if (choose(2) === 1) change(names, value);
    return new Map([...names].map(([name, file]) => [name, leave(this.#files[file]!, choose)]));
  }
}

function change(names: Map<string, number>, operation: NameChange): void {
  if (operation.do === "create") names.set(operation.name, operation.file);
  else if (operation.do === "remove") names.delete(operation.name);
  else if (names.has(operation.from)) {
    names.set(operation.to, names.get(operation.from)!);
    names.delete(operation.from);
  }
}

function write(file: File, position: number, bytes: Uint8Array, at: number): void {
  const end = position + bytes.length;
  if (end > file.bytes.length) {
    file.bytes = resized(file.bytes, end);
    file.sizes.push({ at, value: end });
  } else file.bytes = file.bytes.slice();
  file.bytes.set(bytes, position);
  for (let sector = Math.floor(position / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++)
    remember(file, sector, at);
}

function truncate(file: File, sizeBytes: number, at: number): void {
  file.bytes = resized(file.bytes, sizeBytes);
  file.sizes.push({ at, value: sizeBytes });
  if (sizeBytes % SECTOR_BYTES > 0) remember(file, Math.floor(sizeBytes / SECTOR_BYTES), at);
}

function remember(file: File, sector: number, at: number): void {
  const start = sector * SECTOR_BYTES;
  const versions = file.sectors.get(sector) ?? [];
  versions.push({ at, value: file.bytes.slice(start, start + SECTOR_BYTES) });
  file.sectors.set(sector, versions);
}

function persist(file: File, until: number): void {
  const covered = <T>(versions: readonly Version<T>[]) => versions.findLast(({ at }) => at < until)?.value;
  let bytes = resized(file.durable, covered(file.sizes) ?? file.durable.length);
  for (const [sector, versions] of file.sectors) {
    bytes = withSector(bytes, sector, covered(versions));
    const left = versions.filter(({ at }) => at >= until);
    if (left.length > 0) file.sectors.set(sector, left);
    else file.sectors.delete(sector);
  }
  file.durable = bytes;
  file.sizes = file.sizes.filter(({ at }) => at >= until);
}

function leave(file: File, choose: Choose): Uint8Array {
  const pick = <T>(versions: readonly Version<T>[]) => versions[choose(versions.length + 1) - 1]?.value;
  let bytes = resized(file.durable, pick(file.sizes) ?? file.durable.length);
  for (const [sector, versions] of file.sectors) bytes = withSector(bytes, sector, pick(versions));
  return bytes;
}

/** A sector beyond the end of the file is not part of it. */
function withSector(bytes: Uint8Array, sector: number, value: Uint8Array | undefined): Uint8Array {
  const room = bytes.length - sector * SECTOR_BYTES;
  if (value !== undefined && room > 0) bytes.set(value.subarray(0, room), sector * SECTOR_BYTES);
  return bytes;
}

function resized(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  const other = new Uint8Array(sizeBytes);
  other.set(bytes.subarray(0, sizeBytes));
  return other;
}

/**
 * The states of a disk: all of them where they are few, else the oldest, the youngest, those that differ from one of
 * the two in a single choice, and random ones up to `limit`.
 */
export function* statesOf(disk: CachedDisk, limit: number, random: () => number): Generator<DiskState> {
  // How many possibilities there are depends on which names are there: those of the youngest state are the most.
  const counts: number[] = [];
  disk.state((count) => counts.push(count) && count - 1);
  const total = counts.reduce((product, count) => product * count, 1);
  const chosen = (choices: readonly number[]) => {
    let next = 0;
    return disk.state((count) => Math.min(choices[next++] ?? 0, count - 1));
  };
  if (total <= limit) {
    for (let index = 0; index < total; index++) yield chosen(digits(index, counts));
    return;
  }
  const oldest = counts.map(() => 0);
  const youngest = counts.map((count) => count - 1);
  yield chosen(oldest);
  yield chosen(youngest);
  const singles = counts.flatMap((_, index) => [
    oldest.with(index, youngest[index]!),
    youngest.with(index, 0),
  ]);
  const singly = Math.min(singles.length, limit / 2);
  for (let left = singly; left > 0; left--)
    yield chosen(singles.splice(Math.floor(random() * singles.length), 1)[0]!);
  for (let left = limit - 2 - singly; left > 0; left--)
    yield chosen(counts.map((count) => Math.floor(random() * count)));
}

function digits(index: number, counts: readonly number[]): number[] {
  return counts.map((count) => {
    const digit = index % count;
    index = Math.floor(index / count);
    return digit;
  });
}
