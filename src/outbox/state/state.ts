import type { FileLayer } from "../files/files.ts";
import type { Drop } from "../outbox.ts";
import { NUMBER_BYTES, readNumber, readRows, writeNumber, writeRows } from "./number.ts";
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
  /** Losses that records told of that were themselves given up, and that are not told anew for certain; at most {@link ACCOUNTS_MAX}. */
  readonly accounts: readonly Drop[];
}

/** So many that a slot of `state` fits into a sector, which a power cut never tears. */
export const ACCOUNTS_MAX = 13;

/** Numbers reserved on flash at a time. */
export const RESERVED_BLOCK = 4096;

const CLEAN = 1;
const MEMORY_ONLY = 2;
const TAIL = 4;

const ACCOUNTS_AT = 56;
const ACCOUNT_BYTES = 4 * NUMBER_BYTES;
/** By their place in the list. */
const REASONS: readonly Drop["reason"][] = [
  "full",
  "thinned",
  "expired",
  "corrupt",
  "operator",
  "skipped",
  "too_large",
  "refused",
];

export const stateCodec: Codec<State> = {
  magic: "fpstate2",
  payloadBytes: ACCOUNTS_AT + ACCOUNTS_MAX * ACCOUNT_BYTES,
  encode(state, into) {
    into.write(state.stream, 0, 8, "latin1");
    into.write(state.bootId.slice(0, 8).padEnd(8), 8, 8, "latin1");
    into.writeUInt32LE(state.run, 16);
    const flags = (state.clean ? CLEAN : 0) | (state.memoryOnly ? MEMORY_ONLY : 0) | (state.tail ? TAIL : 0);
    into.writeUInt32LE(flags, 20);
    writeNumber(into, state.nextSeq, 24);
    writeNumber(into, state.reservedSeq, 32);
    writeNumber(into, state.ackedSeq, 40);
    writeNumber(into, state.skippedFromSeq, 48);
    writeRows(
      into,
      state.accounts.map(({ fromSeq, toSeq, count, reason }) => [
        fromSeq,
        toSeq,
        count,
        // One that only a later version knows must not stand in the way.
        Math.max(0, REASONS.indexOf(reason)),
      ]),
      ACCOUNTS_AT,
    );
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
      nextSeq: readNumber(payload, 24),
      reservedSeq: readNumber(payload, 32),
      ackedSeq: readNumber(payload, 40),
      skippedFromSeq: readNumber(payload, 48),
      accounts: readRows(payload, 4, ACCOUNTS_AT).map(accountOf),
    };
  },
};

/** From a row of numbers. */
function accountOf([fromSeq, toSeq, count, reason]: readonly number[]): Drop {
  return { fromSeq: fromSeq!, toSeq: toSeq!, count: count!, reason: REASONS[reason!]!, again: true };
}

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

  /** Whether these are on flash, and stay there when what is under way has ended. */
  holds(accounts: State["accounts"]): boolean {
    const wanted = JSON.stringify(accounts);
    return [this.#durable, this.#latest].every((state) => JSON.stringify(state.accounts) === wanted);
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
