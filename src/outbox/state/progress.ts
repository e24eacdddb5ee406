import { type FileLayer, isFileError } from "../files/files.ts";
import { AHEAD_MAX } from "./ahead.ts";
import { NUMBER_BYTES, readNumber, readRows, writeNumber, writeRows } from "./number.ts";
import type { NumberRange } from "./number-set.ts";
import { type Codec, type SlotContent, SlotWriter } from "./slots.ts";

/**
 * What a killed process must find again and a power cut may forget: written at each acknowledgement, never synced.
 * Forgetting it costs duplicates, no losses.
 */
export interface Progress {
  readonly stream: string;
  readonly run: number;
  /** After a power cut the acknowledged number is this much lower: it rests on reports of losses not on flash then. */
  readonly unsecured: number;
  /** Delivered, or lost and reported, up to here. */
  readonly ackedSeq: number;
  readonly syncedSeq: number;
  /** Numbers given to records that found no room and of which the log does not tell yet; 0: none. */
  readonly lostFromSeq: number;
  readonly lostToSeq: number;
  /** Delivered although something older is not; at most {@link AHEAD_MAX}. */
  readonly ahead: readonly NumberRange[];
}

const AHEAD_AT = 48;
const RANGE_BYTES = 2 * NUMBER_BYTES;
const UNSECURED_MAX = 2 ** 32 - 1;

export const progressCodec: Codec<Progress> = {
  magic: "fpacked2",
  payloadBytes: AHEAD_AT + AHEAD_MAX * RANGE_BYTES,
  encode(progress, into) {
    into.write(progress.stream, 0, 8, "latin1");
    into.writeUInt32LE(progress.run, 8);
    into.writeUInt32LE(Math.min(progress.unsecured, UNSECURED_MAX), 12);
    writeNumber(into, progress.ackedSeq, 16);
    writeNumber(into, progress.syncedSeq, 24);
    writeNumber(into, progress.lostFromSeq, 32);
    writeNumber(into, progress.lostToSeq, 40);
    writeRows(
      into,
      progress.ahead.map(({ fromSeq, toSeq }) => [fromSeq, toSeq]),
      AHEAD_AT,
    );
  },
  decode(payload) {
    return {
      stream: payload.toString("latin1", 0, 8),
      run: payload.readUInt32LE(8),
      unsecured: payload.readUInt32LE(12),
      ackedSeq: readNumber(payload, 16),
      syncedSeq: readNumber(payload, 24),
      lostFromSeq: readNumber(payload, 32),
      lostToSeq: readNumber(payload, 40),
      ahead: readRows(payload, 2, AHEAD_AT).map(([fromSeq, toSeq]) => ({ fromSeq: fromSeq!, toSeq: toSeq! })),
    };
  },
};

/** A run that could not use its tail wrote only to the disk. */
export function newer(inTail: Progress | undefined, onDisk: Progress | undefined): Progress | undefined {
  return inTail && inTail.run >= (onDisk?.run ?? 0) ? inTail : onDisk;
}

/** With a tail, that is where each change goes. */
export interface ProgressTail {
  readonly file: SlotWriter<Progress>;
  /** The youngest number that the log on flash tells of. */
  lastSeqOnFlash(): number;
}

/** The `ack` file of a run. With a tail the one on flash follows only while what is on flash is being acknowledged. A disk that refuses it costs duplicates only: it is noted, and tried again at the next change. */
export class ProgressFile {
  readonly #writer: SlotWriter<Progress>;
  readonly #tail: ProgressTail | undefined;
  #latest: Progress;
  /** Acknowledged as the file on flash has it; -1: not written in this run. */
  #ackedSeqOnFlash = -1;
  #fault: string | undefined;

  constructor(
    files: FileLayer,
    path: string,
    content: SlotContent<Progress>,
    progress: Progress,
    tail?: ProgressTail,
  ) {
    this.#latest = progress;
    this.#tail = tail;
    this.#writer = new SlotWriter(files, path, progressCodec, content);
  }

  /** Why the file is older than it should be. */
  get fault(): string | undefined {
    return this.#fault;
  }

  update(change: Partial<Progress>): void {
    this.#latest = { ...this.#latest, ...change };
    this.#write(this.#concernsFlash());
  }

  /** Last words: what is acknowledged ahead is told on flash too, where the tail was the only one to know. */
  finish(): void {
    if (this.#tail !== undefined && this.#latest.ahead.length > 0) this.#write(true);
  }

  #write(onFlash: boolean): void {
    try {
      this.#tail?.file.write(this.#latest);
      this.#tail?.file.alternate();
      if (onFlash) {
        this.#writer.write(this.#latest);
        this.#writer.alternate();
        this.#ackedSeqOnFlash = this.#latest.ackedSeq;
      }
      this.#fault = undefined;
    } catch (error) {
      if (!isFileError(error)) throw error;
      this.#fault = error.message;
    }
  }

  close(): void {
    this.#writer.close();
  }

  #concernsFlash(): boolean {
    if (this.#tail === undefined || this.#ackedSeqOnFlash < 0) return true;
    const behind = this.#ackedSeqOnFlash < Math.min(this.#latest.ackedSeq, this.#tail.lastSeqOnFlash());
    return behind || this.#latest.ackedSeq < this.#ackedSeqOnFlash;
  }
}
