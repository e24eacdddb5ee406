import type { Drop, Opening } from "./outbox.ts";
import { type GapKind, gap, type LogEntry } from "./segments/segment-format.ts";
import { type NumberRange, NumberSet } from "./state/number-set.ts";
import type { Progress } from "./state/progress.ts";
import { RESERVED_BLOCK, type State } from "./state/state.ts";
import type { TailRemains } from "./young/tail.ts";

/** What is known when an outbox is opened. */
export interface Remains {
  /** Absent: never written, or unreadable. */
  readonly state: State | undefined;
  readonly progress: Progress | undefined;
  /** From any of the files. */
  readonly stream: string | undefined;
  readonly lastRunOfSegments: number;
  /** First and last number of what the segments hold; last below first: nothing. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** What the last run kept in memory; absent: it kept nothing there. */
  readonly tail?: TailRemains | undefined;
  /** Files were there that could not be read, or were not what they should be. */
  readonly damaged: boolean;
}

/** Where a run begins. */
export interface Start {
  readonly opening: Opening;
  readonly nextSeq: number;
  readonly ackedSeq: number;
  /** The same as a power cut would leave it. */
  readonly securedSeq: number;
  readonly syncedSeq: number;
  /** Acknowledged beyond {@link ackedSeq}. */
  readonly ahead: readonly NumberRange[];
  /** What the log has to say before the next record. */
  readonly waiting: readonly LogEntry[];
  readonly drops: readonly Drop[];
}

/** Decides how to go on from what the last run left. Never gives a number twice, never loses one without a word. */
export function decideStart(remains: Remains, bootId: string, newStream: string): Start {
  const { state, progress, tail } = remains;
  const lastEnd = endOfLastRun(remains, bootId);
  const head = decideHead(remains, lastEnd);
  const knownSeq = Math.max(remains.lastSeq, head.ackedSeq, tail?.lastSeq ?? 0);
  const endIsKnown = isEndKnown(remains, lastEnd);
  const nextSeq = decideNext(remains, endIsKnown, knownSeq);
  const skipped = decideSkipped(remains, lastEnd, endIsKnown, knownSeq, nextSeq);
  const kept = (tail?.records ?? []).filter(({ seq }) => seq > Math.max(remains.lastSeq, head.ackedSeq));
  const waiting = explain(remains.lastSeq, kept, nextSeq - 1, [
    { kind: "accounted", fromSeq: 1, toSeq: head.ackedSeq },
    ...(progress?.ahead ?? []).map((range) => ({ kind: "accounted" as const, ...range })),
    ...(skipped ? [{ kind: "accounted" as const, ...skipped }] : []),
    { kind: "full", fromSeq: progress?.lostFromSeq ?? 0, toSeq: progress?.lostToSeq ?? 0 },
  ]);
  const run = Math.max(state?.run ?? 0, progress?.run ?? 0, remains.lastRunOfSegments) + 1;
  return {
    opening: { stream: remains.stream ?? newStream, run, lastEnd, ...(skipped && { skipped }) },
    nextSeq,
    ackedSeq: head.ackedSeq,
    securedSeq: securedOf(remains),
    ahead: aheadOf(progress, head.ackedSeq),
    syncedSeq: lastEnd === "killed" ? Math.min(progress?.syncedSeq ?? 0, knownSeq) : knownSeq,
    waiting,
    drops: [...head.drops, ...waiting.flatMap(dropOf)],
  };
}

function aheadOf(progress: Progress | undefined, ackedSeq: number): readonly NumberRange[] {
  const ahead = new NumberSet(progress?.ahead ?? []);
  ahead.forget(ackedSeq);
  return ahead.ranges;
}

function lastAhead(progress: Progress | undefined): number {
  return progress?.ahead.at(-1)?.toSeq ?? 0;
}

function endOfLastRun({ state, stream }: Remains, bootId: string): Opening["lastEnd"] {
  if (stream === undefined) return "none";
  if (state === undefined) return "power_cut";
  if (state.clean) return "clean";
  return state.bootId === bootId ? "killed" : "power_cut";
}

/** Whether the files tell how far numbers went. A killed process leaves every byte that it handed to the kernel. */
function isEndKnown({ state, tail, damaged }: Remains, lastEnd: Opening["lastEnd"]): boolean {
  if (lastEnd === "killed") return !damaged && tail?.whole !== false && state?.memoryOnly === false;
  return lastEnd !== "power_cut";
}

/** The acknowledged number, and what was given up beyond it without a report. */
function decideHead(remains: Remains, lastEnd: Opening["lastEnd"]): { ackedSeq: number; drops: Drop[] } {
  const { state, progress, firstSeq, damaged } = remains;
  const killedSeq = Math.max(state?.ackedSeq ?? 0, progress?.ackedSeq ?? 0);
  // Without its tail a run has lost reports of losses too, and one that left no word of its own may follow a power cut.
  const isCertain = lastEnd === "killed" && remains.tail?.whole !== false && progress?.run === state?.run;
  const ackedSeq = isCertain ? killedSeq : securedOf(remains);
  const heldFromSeq = firstSeq - 1;
  if (heldFromSeq <= ackedSeq) return { ackedSeq, drops: [] };
  // Neither file tells what was acknowledged: what is left is all that is known.
  if (state === undefined && progress === undefined) return { ackedSeq: heldFromSeq, drops: [] };
  const reason = damaged ? "corrupt" : "full";
  const drop = { fromSeq: ackedSeq + 1, toSeq: heldFromSeq, count: heldFromSeq - ackedSeq, reason } as const;
  return { ackedSeq: heldFromSeq, drops: [drop] };
}

/** What is acknowledged for certain, whatever became of records that were not on flash. */
function securedOf({ state, progress }: Remains): number {
  return Math.max(state?.ackedSeq ?? 0, progress ? progress.ackedSeq - progress.unsecured : 0);
}

/** Behind every number that may have been given. */
function decideNext({ state, progress }: Remains, endIsKnown: boolean, knownSeq: number): number {
  const givenSeq = Math.max(
    knownSeq,
    progress?.syncedSeq ?? 0,
    progress?.lostToSeq ?? 0,
    lastAhead(progress),
  );
  if (endIsKnown) return Math.max(givenSeq + 1, state?.nextSeq ?? 1);
  return Math.max(givenSeq, state?.reservedSeq ?? givenSeq + RESERVED_BLOCK) + 1;
}

/** Numbers of which nothing is known, those included that an earlier run skipped and never told. */
function decideSkipped(
  { state, progress, tail, lastSeq }: Remains,
  lastEnd: Opening["lastEnd"],
  endIsKnown: boolean,
  knownSeq: number,
  nextSeq: number,
): Opening["skipped"] {
  const storedUntilSeq = Math.max(lastSeq, tail?.lastSeq ?? 0);
  const untoldSeq =
    state !== undefined && state.skippedFromSeq > 0 && storedUntilSeq < state.nextSeq
      ? state.skippedFromSeq
      : Infinity;
  if (endIsKnown) return range(untoldSeq, (state?.nextSeq ?? 0) - 1);
  // Of numbers known to have been on flash it is certain that they were stored: missing, they are corrupt.
  const storedSeq = lastEnd === "killed" ? (progress?.syncedSeq ?? 0) : 0;
  return range(Math.min(untoldSeq, Math.max(knownSeq, storedSeq) + 1), nextSeq - 1);
}

function range(fromSeq: number, toSeq: number): Opening["skipped"] {
  return fromSeq <= toSeq ? { fromSeq, toSeq } : undefined;
}

interface Explanation {
  readonly kind: GapKind;
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** The records `kept` and, for each other number after `lastSeq` up to `toSeq`, a gap that says why it is missing. */
function explain(
  lastSeq: number,
  kept: readonly LogEntry[],
  toSeq: number,
  explanations: readonly Explanation[],
): LogEntry[] {
  const entries: LogEntry[] = [];
  for (const record of kept) {
    entries.push(...explainMissing(lastSeq, record.seq - 1, explanations), record);
    lastSeq = record.seq;
  }
  return [...entries, ...explainMissing(lastSeq, toSeq, explanations)];
}

/** What nothing explains is corrupt. */
function explainMissing(lastSeq: number, toSeq: number, explanations: readonly Explanation[]): LogEntry[] {
  const gaps: LogEntry[] = [];
  for (let fromSeq = lastSeq + 1; fromSeq <= toSeq; ) {
    const covering = explanations.find((e) => e.fromSeq <= fromSeq && fromSeq <= e.toSeq);
    const following = explanations.filter((e) => e.fromSeq > fromSeq).map((e) => e.fromSeq - 1);
    const endSeq = Math.min(toSeq, covering ? covering.toSeq : Math.min(...following));
    gaps.push(gap(covering?.kind ?? "corrupt", fromSeq, endSeq));
    fromSeq = endSeq + 1;
  }
  return gaps;
}

function dropOf({ kind, fromSeq, seq }: LogEntry): Drop[] {
  if (kind !== "full" && kind !== "corrupt") return [];
  return [{ fromSeq, toSeq: seq, count: seq - fromSeq + 1, reason: kind }];
}
