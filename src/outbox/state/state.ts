import type { FileLayer } from "../files/files.ts";
import { type Codec, type SlotContent, SlotWriter } from "./slots.ts";

/** What must survive a power cut at any price. Written and synced once in thousands of records. */
export interface State {
  readonly stream: string;
  readonly run: number;
  /** The kernel boot of the run. */
  readonly bootId: string;
  /** The run ended in order: {@link nextSeq} is exact. */
  readonly clean: boolean;
  /** Records were kept in memory only, because the disk refused them: the segments do not tell how far numbers went. */
  readonly memoryOnly: boolean;
  /** The youngest records of the run are in a tail: without that the segments do not tell either. */
  readonly tail: boolean;
  /** Clean: the number that comes next. Else the number that the run began with. */
  readonly nextSeq: number;
  /** No number beyond this one has been given. */
  readonly reservedSeq: number;
  /** Acknowledged up to here; never later than what a reused segment held. */
  readonly ackedSeq: number;
  /** Numbers from here to the run's first are skipped, as long as the run has stored nothing; 0: none. */
  readonly skippedFromSeq: number;
}

/** Numbers reserved on flash at a time. */
export const RESERVED_BLOCK = 4096;

const CLEAN = 1;
const MEMORY_ONLY = 2;
const TAIL = 4;

export const stateCodec: Codec<State> = {
  magic: "fpstate1",
  payloadBytes: 56,
  encode(state, into) {
    into.write(state.stream, 0, 8, "latin1");
    into.write(state.bootId.slice(0, 8).padEnd(8), 8, 8, "latin1");
    into.writeUInt32LE(state.run, 16);
    const flags = (state.clean ? CLEAN : 0) | (state.memoryOnly ? MEMORY_ONLY : 0) | (state.tail ? TAIL : 0);
    into.writeUInt32LE(flags, 20);
    into.writeBigUInt64LE(BigInt(state.nextSeq), 24);
    into.writeBigUInt64LE(BigInt(state.reservedSeq), 32);
    into.writeBigUInt64LE(BigInt(state.ackedSeq), 40);
    into.writeBigUInt64LE(BigInt(state.skippedFromSeq), 48);
  },
  decode(payload) {
    const flags = payload.readUInt32LE(20);
    return {
      stream: payload.toString("latin1", 0, 8),
      bootId: payload.toString("latin1", 8, 16).trimEnd(),
      run: payload.readUInt32LE(16),
      clean: (flags & CLEAN) !== 0,
      memoryOnly: (flags & MEMORY_ONLY) !== 0,
      tail: (flags & TAIL) !== 0,
      nextSeq: Number(payload.readBigUInt64LE(24)),
      reservedSeq: Number(payload.readBigUInt64LE(32)),
      ackedSeq: Number(payload.readBigUInt64LE(40)),
      skippedFromSeq: Number(payload.readBigUInt64LE(48)),
    };
  },
};

/** The `state` file of a run: what is on flash, and the way to change it. */
export class StateFile {
  readonly #writer: SlotWriter<State>;
  /** As last written; on flash it may be older. */
  #latest: State;
  #durable: State;
  #syncing: Promise<void> | undefined;

  constructor(files: FileLayer, path: string, content: SlotContent<State>, state: State) {
    this.#writer = new SlotWriter(files, path, stateCodec, content);
    this.#latest = state;
    this.#durable = state;
    try {
      this.writeNow({});
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What a power cut would leave. */
  get durable(): State {
    return this.#durable;
  }

  /** Returns when the change is on flash. */
  writeNow(change: Partial<State>): void {
    const written = this.#write(change);
    this.#writer.syncNow();
    this.#settle(written);
  }

  /** Resolves when the change is on flash. A call while another is under way joins that one and adds nothing. */
  write(change: Partial<State>): Promise<void> {
    this.#syncing ??= this.#writeAndSync(change).finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  get writing(): boolean {
    return this.#syncing !== undefined;
  }

  close(): void {
    this.#writer.close();
  }

  async #writeAndSync(change: Partial<State>): Promise<void> {
    const written = this.#write(change);
    await this.#writer.sync();
    // A blocking write may have overtaken this one: then that one is on flash, in this same slot.
    if (this.#latest === written) this.#settle(written);
  }

  #write(change: Partial<State>): State {
    this.#latest = { ...this.#latest, ...change };
    this.#writer.write(this.#latest);
    return this.#latest;
  }

  #settle(state: State): void {
    if (state === this.#durable) return;
    this.#durable = state;
    this.#writer.alternate();
  }
}
