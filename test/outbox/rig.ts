import { seededRandom } from "../../src/device/random.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { type MemoryDisk, type Mount, memoryDisk } from "../../src/outbox/files/memory.ts";
import type { SeriesOf } from "../../src/outbox/intake/thinning.ts";
import { type OutboxOptions, openOutbox } from "../../src/outbox/open.ts";
import type { Drop, Entry, Outbox } from "../../src/outbox/outbox.ts";

export const FOLDER = "/outbox";
const WALL_MS = Date.UTC(2026, 5, 1);
export const DAY_MS = 86_400_000;

/** Four small segments of 4 KiB: 40 records of 80 bytes each. */
export const SMALL: OutboxOptions = {
  path: FOLDER,
  maxSizeBytes: 20 * 1024 + 4 * 4096,
  maxAgeMs: 30 * DAY_MS,
  whenFull: "drop_oldest",
  syncAfterMs: 1000,
  maxRecordBytes: 1024,
};

/** On a tmpfs. */
export const TAIL = "/run/fieldpost";

/** A board: a disk that survives, and runs of a node on it, one after the other. */
export class Rig {
  readonly disk: MemoryDisk = memoryDisk();
  readonly options: OutboxOptions;
  readonly #wrap: (files: FileLayer) => FileLayer;
  /** Asked of each record that is given up. */
  accountsIn: (record: Uint8Array) => readonly Drop[] = () => [];
  clock = new VirtualClock({ wallMs: WALL_MS, bootId: "b0000001" });
  mount: Mount = this.disk.mount();
  #boots = 1;

  constructor(
    options: Partial<OutboxOptions> = {},
    wrap: (files: FileLayer) => FileLayer = (files) => files,
    /** Absent: all records are alike. */
    readonly seriesOf?: SeriesOf,
  ) {
    this.options = { ...SMALL, ...options };
    this.#wrap = wrap;
  }

  get files(): FileLayer {
    return this.#wrap(this.mount);
  }

  open(options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const { files, clock, seriesOf } = this;
    const random = seededRandom(this.#boots);
    return openOutbox(
      { ...this.options, ...options },
      {
        files,
        clock,
        random,
        accountsIn: (record) => this.accountsIn(record),
        ...(seriesOf && { seriesOf }),
      },
    );
  }

  /** SIGKILL: what was handed to the kernel stays. */
  kill(): void {
    this.mount.kill();
    this.#restart(this.clock.bootId);
  }

  /** The kernel goes down with everything that was not synced. */
  cutPower(): void {
    this.disk.cutPower();
    this.#restart(`b${String(++this.#boots).padStart(7, "0")}`);
  }

  /** Changes bytes of a file on disk. */
  edit(name: string, change: (bytes: Uint8Array) => void): void {
    const path = `${FOLDER}/${name}`;
    const file = this.mount.open(path, "write");
    const bytes = new Uint8Array(file.sizeBytes());
    file.read(bytes, 0);
    change(bytes);
    file.write(bytes, bytes.length, 0);
    file.syncNow();
    file.close();
  }

  remove(name: string): void {
    this.mount.remove(`${FOLDER}/${name}`);
    this.mount.syncFolderNow(FOLDER);
  }

  names(): string[] {
    return [...this.mount.list(FOLDER)].sort();
  }

  /** What a file in the folder holds. */
  bytesOf(name: string): Buffer {
    const file = this.mount.open(`${FOLDER}/${name}`, "read");
    const bytes = Buffer.alloc(file.sizeBytes());
    file.read(bytes, 0);
    file.close();
    return bytes;
  }

  segments(): string[] {
    return this.names().filter((name) => name.endsWith(".seg"));
  }

  #restart(bootId: string): void {
    this.mount = this.disk.mount();
    this.clock = new VirtualClock({
      wallMs: this.clock.wallMs(),
      bootId,
      monotonicMs: this.clock.monotonicMs(),
    });
  }
}

/** A record of 80 bytes that names itself. */
export function record(name: string | number): Uint8Array {
  return Buffer.from(String(name).padEnd(80, "."));
}

export function fill(outbox: Outbox, count: number): number {
  let seq = 0;
  for (let i = 0; i < count; i++) seq = outbox.append(record(outbox.status().nextSeq));
  return seq;
}

export function nameOf({ record }: Entry): string {
  return Buffer.from(record).toString().replace(/\.+$/, "");
}

/** Everything that is there, drained in pieces; each record must name its own number. */
export function drain(outbox: Outbox): number[] {
  const seqs: number[] = [];
  for (let from = 1; ; ) {
    const entries = outbox.peek(from, 7);
    if (entries.length === 0) return seqs;
    for (const entry of entries) {
      if (nameOf(entry) !== String(entry.seq)) throw new Error(`${entry.seq} holds ${nameOf(entry)}`);
      seqs.push(entry.seq);
    }
    from = entries.at(-1)!.seq + 1;
  }
}

export function numbers(fromSeq: number, toSeq: number): number[] {
  return Array.from({ length: Math.max(0, toSeq - fromSeq + 1) }, (_, i) => fromSeq + i);
}

export function drop(
  fromSeq: number,
  toSeq: number,
  reason: Drop["reason"],
  count = toSeq - fromSeq + 1,
): Drop {
  return { fromSeq, toSeq, count, reason };
}
