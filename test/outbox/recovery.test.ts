import { describe, expect, test } from "vitest";
import { decideStart, type Remains } from "../../src/outbox/recovery.ts";
import { gap } from "../../src/outbox/segments/segment-format.ts";
import type { Progress } from "../../src/outbox/state/progress.ts";
import type { State } from "../../src/outbox/state/state.ts";
import { drop } from "./rig.ts";

const BOOT = "b0000001";
const STREAM = "0badcafe";

const state = (changes: Partial<State> = {}): State => ({
  stream: STREAM,
  run: 5,
  bootId: BOOT,
  clean: false,
  memoryOnly: false,
  tail: false,
  nextSeq: 50,
  reservedSeq: 4145,
  ackedSeq: 0,
  skippedFromSeq: 0,
  accounts: [],
  ...changes,
});
const progress = (changes: Partial<Progress> = {}): Progress => ({
  stream: STREAM,
  run: 5,
  unsecured: 0,
  ackedSeq: 0,
  syncedSeq: 0,
  lostFromSeq: 0,
  lostToSeq: 0,
  ahead: [],
  ...changes,
});
/** Records 1 to 100 are there. */
const remains = (changes: Partial<Remains> = {}): Remains => ({
  state: state(),
  progress: progress(),
  stream: STREAM,
  lastRunOfSegments: 5,
  firstSeq: 1,
  lastSeq: 100,
  damaged: false,
  ...changes,
});
const decide = (changes: Partial<Remains>, bootId = BOOT) =>
  decideStart(remains(changes), bootId, "00000001");

describe("where a run begins", () => {
  test("after nothing: at 1, in a new stream", () => {
    const nothing = {
      state: undefined,
      progress: undefined,
      stream: undefined,
      lastRunOfSegments: 0,
      lastSeq: 0,
    };
    expect(decide(nothing)).toEqual({
      opening: { stream: "00000001", run: 1, lastEnd: "none" },
      nextSeq: 1,
      ackedSeq: 0,
      ahead: [],
      securedSeq: 0,
      syncedSeq: 0,
      waiting: [],
      drops: [],
    });
  });

  test.each<[string, Partial<Remains>, string, number]>([
    ["a clean end: where it says", { state: state({ clean: true, nextSeq: 101 }) }, BOOT, 101],
    [
      "a clean end, and a reboot: where it says",
      { state: state({ clean: true, nextSeq: 101 }) },
      "b0000002",
      101,
    ],
    ["a kill: behind the last record", {}, BOOT, 101],
    ["a kill: behind what was acknowledged", { progress: progress({ ackedSeq: 120 }) }, BOOT, 121],
    [
      "a kill: behind what was turned away",
      { progress: progress({ lostFromSeq: 101, lostToSeq: 130 }) },
      BOOT,
      131,
    ],
    ["a kill: not before its own beginning", { state: state({ nextSeq: 4000 }) }, BOOT, 4000],
    [
      "a kill with records in memory: behind the reservation",
      { state: state({ memoryOnly: true }) },
      BOOT,
      4146,
    ],
    ["a kill with damaged files: behind the reservation", { damaged: true }, BOOT, 4146],
    ["a power cut: behind the reservation", {}, "b0000002", 4146],
    ["a lost state: a block behind the last record", { state: undefined }, BOOT, 100 + 4096 + 1],
  ])("after %s", (_, changes, bootId, nextSeq) => {
    expect(decide(changes, bootId).nextSeq).toBe(nextSeq);
  });

  test.each<[string, Partial<Remains>, string, object | undefined]>([
    ["a clean end: none", { state: state({ clean: true, nextSeq: 101 }) }, BOOT, undefined],
    ["a kill: none", {}, BOOT, undefined],
    ["a power cut: up to the reservation", {}, "b0000002", { fromSeq: 101, toSeq: 4145 }],
    [
      "a power cut: not what was acknowledged",
      { progress: progress({ ackedSeq: 150 }) },
      "b0000002",
      { fromSeq: 151, toSeq: 4145 },
    ],
    [
      "a kill before anything was stored: what the run before had to tell",
      { state: state({ nextSeq: 200, skippedFromSeq: 101 }) },
      BOOT,
      { fromSeq: 101, toSeq: 199 },
    ],
    ["a kill after that: none", { state: state({ nextSeq: 100, skippedFromSeq: 51 }) }, BOOT, undefined],
  ])("numbers skipped after %s", (_, changes, bootId, skipped) => {
    expect(decide(changes, bootId).opening.skipped).toEqual(skipped);
  });

  test("what was synced and is gone is corrupt, not skipped", () => {
    const start = decide({ damaged: true, progress: progress({ syncedSeq: 110 }) });
    expect(start.opening.skipped).toEqual({ fromSeq: 111, toSeq: 4145 });
    expect(start.drops).toEqual([drop(101, 110, "corrupt")]);
    expect(start.waiting).toEqual([gap("corrupt", 101, 110), gap("accounted", 111, 4145)]);
  });

  test("every number missing at the end is explained in order", () => {
    const start = decide({
      state: state({ clean: true, nextSeq: 200 }),
      progress: progress({ ackedSeq: 120, lostFromSeq: 150, lostToSeq: 160 }),
    });
    expect(start.waiting).toEqual([
      gap("accounted", 101, 120),
      gap("corrupt", 121, 149),
      gap("full", 150, 160),
      gap("corrupt", 161, 199),
    ]);
    expect(start.drops).toEqual([
      drop(121, 149, "corrupt"),
      drop(150, 160, "full"),
      drop(161, 199, "corrupt"),
    ]);
  });

  test.each<[string, Partial<Remains>, number, object[]]>([
    [
      "the later of both files",
      { state: state({ ackedSeq: 7 }), progress: progress({ ackedSeq: 9 }) },
      9,
      [],
    ],
    ["the state where the other is lost", { state: state({ ackedSeq: 7 }), progress: undefined }, 7, []],
    ["what is left where both are lost", { state: undefined, progress: undefined, firstSeq: 40 }, 39, []],
    [
      "what is left where records were dropped without a word",
      { firstSeq: 40, progress: progress({ ackedSeq: 10 }) },
      39,
      [drop(11, 39, "full")],
    ],
    [
      "what is left where their segment cannot be read",
      { firstSeq: 40, damaged: true, progress: progress({ ackedSeq: 10 }) },
      39,
      [drop(11, 39, "corrupt")],
    ],
  ])("is acknowledged up to %s", (_, changes, ackedSeq, drops) => {
    const start = decide({
      ...changes,
      state: changes.state && { ...changes.state, clean: true, nextSeq: 101 },
    });
    expect(start.ackedSeq).toBe(ackedSeq);
    if ("state" in changes && changes.state === undefined) expect(start.drops).toEqual([]);
    else expect(start.drops).toEqual(drops);
  });

  test("after a kill trusts to be on flash only what was said to be", () => {
    expect(decide({ progress: progress({ syncedSeq: 60 }) }).syncedSeq).toBe(60);
    expect(decide({}, "b0000002").syncedSeq).toBe(100);
  });
});

test("a run that was killed before it left a word on what is acknowledged may follow a power cut: losses are told anew", () => {
  const beforeTheCut = progress({ run: 4, ackedSeq: 80, unsecured: 60 });
  expect(decide({ progress: beforeTheCut })).toMatchObject({ ackedSeq: 20, opening: { lastEnd: "killed" } });
  expect(decide({ progress: { ...beforeTheCut, run: 5 } })).toMatchObject({ ackedSeq: 80 });
});
