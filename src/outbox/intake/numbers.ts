import { RESERVED_BLOCK, type State, type StateFile } from "../state/state.ts";

/** Numbers left when the next block is asked for. */
const RESERVE_AHEAD = RESERVED_BLOCK / 4;

export interface NumbersStart {
  readonly nextSeq: number;
  /** First of the numbers skipped before {@link nextSeq}; 0: none. */
  readonly skippedFromSeq: number;
}

/** What is on flash with the numbers. */
export type Kept = Pick<State, "ackedSeq" | "accounts">;

/** Gives numbers, each one reserved on flash before it is given, so that none is ever given twice. */
export class Numbers {
  readonly #state: StateFile;
  readonly #kept: () => Kept;
  readonly #onRefused: (error: unknown) => void;
  readonly #skippedFromSeq: number;
  readonly #firstSeq: number;
  #nextSeq: number;
  #skippedIsTold = false;
  #memoryOnly = false;

  /** `kept` tells what is to be kept with them, `onRefused` hears of a disk that fails. */
  constructor(state: StateFile, start: NumbersStart, kept: () => Kept, onRefused: (error: unknown) => void) {
    this.#state = state;
    this.#firstSeq = start.nextSeq;
    this.#nextSeq = start.nextSeq;
    this.#skippedFromSeq = start.skippedFromSeq;
    this.#kept = kept;
    this.#onRefused = onRefused;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** Acknowledged up to here, as a power cut would leave it. */
  get durableAckedSeq(): number {
    return this.#state.durable.ackedSeq;
  }

  /** Gives the next number. While records are kept in memory only, the disk is left alone. */
  take(): number {
    const seq = this.#nextSeq;
    const { reservedSeq } = this.#state.durable;
    if (seq + RESERVE_AHEAD > reservedSeq && !this.#memoryOnly) this.#reserve(seq, reservedSeq);
    this.#nextSeq = seq + 1;
    return seq;
  }

  /** What is in the log up to `seq` is on flash: where a record of this run is there, so is what was skipped before it. */
  secured(seq: number): void {
    this.#skippedIsTold ||= seq >= this.#firstSeq;
  }

  /** Records are kept in memory only from now on: where the disk takes at least this, a restart will know. */
  keptInMemory(): void {
    this.#memoryOnly = true;
    if (!this.#state.writing) this.#state.write({ memoryOnly: true }).catch(() => {});
  }

  /** Every record is in the log again, and the log on flash. */
  backOnDisk(): void {
    this.#memoryOnly = false;
    const { memoryOnly, accounts } = this.#state.durable;
    if (memoryOnly || accounts.length > this.#kept().accounts.length) this.#save();
  }

  /** Returns when what is to be told again is on flash, for the records that told of it will not be there. */
  keepAccounts(): void {
    const { accounts } = this.#kept();
    if (accounts.length > 0 && !this.#state.holds(accounts)) this.saveNow();
  }

  /** Returns when the state as it is now is on flash. */
  saveNow(change: Partial<State> = {}): void {
    this.#state.writeNow({ ...this.#current(), ...change });
  }

  #reserve(seq: number, reservedSeq: number): void {
    if (seq <= reservedSeq) {
      this.#save();
      return;
    }
    try {
      this.saveNow();
    } catch (error) {
      this.#onRefused(error);
    }
  }

  #save(): void {
    if (!this.#state.writing) this.#state.write(this.#current()).catch(this.#onRefused);
  }

  #current(): Partial<State> {
    const { ackedSeq, accounts } = this.#kept();
    return {
      reservedSeq: Math.max(this.#state.durable.reservedSeq, this.#nextSeq - 1 + RESERVED_BLOCK),
      ackedSeq,
      accounts,
      skippedFromSeq: this.#skippedIsTold || ackedSeq >= this.#firstSeq ? 0 : this.#skippedFromSeq,
      memoryOnly: this.#memoryOnly,
    };
  }
}
