/** How many records, and the bytes of their payloads. */
export interface Amount {
  readonly records: number;
  readonly payloadBytes: number;
}

/** Records on disk, acknowledged ones among them, and the room that they take there, compressed or not. */
export interface Held extends Amount {
  readonly bytes: number;
}

export interface Stored extends Held {
  /** Those among them that are as they came, where others were written anew in less room. */
  readonly fresh?: Held;
}

/** A record as it is read back. */
export interface Entry {
  readonly seq: number;
  readonly record: Uint8Array;
}

/** A record that is still on disk or in the tail. */
export interface StoredRecord extends Entry {
  readonly acknowledged: boolean;
}

/** Records that will never be delivered. Loss may be forced, never silent. */
export interface Drop {
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Less than the numbers from first to last where records between them are still there. */
  readonly count: number;
  /**
   * `thinned`: of readings too old to keep all of them, every second or fourth was kept. `operator`: somebody had them
   * dropped by hand. Only told again: `skipped`, what {@link Opening.skipped} said, meant as a whole with a count of 0;
   * `too_large` and `refused`, what no receiver would ever have taken.
   */
  readonly reason:
    | "full"
    | "thinned"
    | "expired"
    | "corrupt"
    | "operator"
    | "skipped"
    | "too_large"
    | "refused";
  /** It was told before, in a record that was itself given up. */
  readonly again?: true;
}

/** What the last run left behind, and what this one starts from. */
export interface Opening {
  /** 8 hex digits; changes only when the outbox was created anew. */
  readonly stream: string;
  /** Which run of the node this is: 1, 2, 3, ... */
  readonly run: number;
  /** How the run before this one ended. */
  readonly lastEnd: "none" | "clean" | "killed" | "power_cut";
  /** After a power cut: numbers that were reserved but whose records cannot be known any more. */
  readonly skipped?: { readonly fromSeq: number; readonly toSeq: number };
}

export interface OutboxStatus {
  /** Records not yet acknowledged. */
  readonly depth: number;
  readonly depthBytes: number;
  /** Bytes of disk the segments occupy. */
  readonly diskBytes: number;
  /** What the segments hold, which says how much room a record takes. */
  readonly stored: Stored;
  /** Records given up among those that wait: readings that were thinned out, or made room for events. Told when it is their turn. */
  readonly givenUp: number;
  readonly firstSeq: number | undefined;
  /** The number that the next record will get. */
  readonly nextSeq: number;
  /** Wall time of the oldest unacknowledged record's append, where the clock was set then. */
  readonly oldestWallMs: number | undefined;
  readonly appended: number;
  /** Their payloads together. */
  readonly appendedBytes: number;
  readonly acknowledged: number;
  readonly dropped: number;
  /** Numbers up to here are on flash, or it is known there that they were delivered or lost. */
  readonly syncedSeq: number;
  /** Set while records go to the disk at once although a tail is configured. */
  readonly tailFault: string | undefined;
  /** Set while the disk refuses writes. */
  readonly fault: string | undefined;
}

/** Bytes that survive power loss. Knows nothing of MQTT. */
export interface Outbox {
  readonly opening: Opening;
  /**
   * Stores a record and returns its sequence number. The bytes are handed to the kernel before this returns, so that
   * killing the process loses nothing. While the disk refuses them, the youngest records are kept in memory instead
   * (see {@link OutboxStatus.fault}). What a disk that takes nothing at all cannot be told, a restart cannot know: where
   * such a disk comes back only after the process has died, the numbers of records that were in memory only are given
   * again if the kernel has not booted since, or if they went beyond the block reserved before. Throws a RangeError where the record exceeds `maxRecordBytes`.
   */
  append(record: Uint8Array): number;
  /**
   * Up to `count` unacknowledged records from number `from` on, in order. Their bytes never change again. Where many have
   * grown too old none is handed out before the last of those has gone, which is done in pieces: see {@link available}.
   */
  peek(from: number, count: number): readonly Entry[];
  /** Everything up to and including `seq` may go: the broker has it. */
  ack(seq: number): void;
  /**
   * The broker has everything from `fromSeq` to `toSeq`, though perhaps not what is older. Survives a kill of the
   * process, up to the first loss in it whose report is neither on flash nor delivered; after a power cut some of it may
   * be handed out again.
   */
  ackAhead(fromSeq: number, toSeq: number): void;
  /** Whether there is room to remember more of what is acknowledged ahead. False: go on with the oldest. */
  canAckAhead(): boolean;
  /** Records still on disk or in the tail, acknowledged ones among them, until their segments are used again. Throws where the disk does. */
  history(fromSeq: number, toSeq: number): IterableIterator<StoredRecord>;
  /**
   * Gives up what is not acknowledged up to and including `seq`, as an operator wishes: some of the oldest at a time.
   * Returns how many records that were.
   */
  drop(seq: number): number;
  /** Resolves when a record with a number >= `seq` is there to peek, or when `signal` aborts. */
  available(seq: number, signal: AbortSignal): Promise<void>;
  /**
   * Takes the losses found since the last call. One that still goes on is withheld until it ends, so that records about
   * it cannot feed it. Each append that follows counts as the report of one loss taken, in order; a loss whose report
   * was not appended before the process died is told again by the next run, and one whose report finds no room, or is
   * itself given up, is there to be taken again when there is room.
   */
  takeDrops(): readonly Drop[];
  /** Makes everything appended so far survive a power cut. Rejects where the disk refuses. */
  sync(): Promise<void>;
  status(): OutboxStatus;
  /** Syncs, marks the end as clean, gives the folder back. Rejects, the folder given back, where the disk refuses. */
  close(): Promise<void>;
}
