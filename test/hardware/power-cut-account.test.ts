import { describe, expect, test } from "vitest";
import { Account, type Life, type Told } from "./power-cut-account.ts";

/** A record every 100 ms, so that number 10 is of second 1. */
const record = (seq: number): Told => ({ seq, topic: "telemetry/x", timeMs: seq * 100, fields: {} });
const records = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, nth) => record(from + nth));
const boot = (seq: number, reason: string, skipped?: { from_seq: number; to_seq: number }): Told => ({
  seq,
  topic: "event/boot",
  timeMs: seq * 100,
  fields: { reason, ...(skipped && { skipped }) },
});

/** Runs from 0 s to 10 s: what is older than 9 s must be there. */
const FIRST: Life = {
  runningAtMs: 100,
  cutAtMs: 10_000,
  heard: [],
  survivors: [boot(1, "first"), ...records(2, 95)],
};
/** From 20 s to 30 s. */
const SECOND: Life = {
  runningAtMs: 20_000,
  cutAtMs: 30_000,
  heard: [],
  survivors: [
    ...FIRST.survivors,
    boot(201, "power_cut", { from_seq: 96, to_seq: 200 }),
    ...records(202, 296),
  ],
};

function violations(...lives: readonly Life[]): readonly string[] {
  const account = new Account({ syncAfterMs: 300, slackMs: 700 });
  for (const life of lives) account.judge(life);
  return account.violations;
}

const without = (life: Life, ...seqs: readonly number[]): Life => ({
  ...life,
  survivors: life.survivors.filter(({ seq }) => !seqs.includes(seq)),
});

const replacing = (life: Life, told: Told): Life => ({
  ...life,
  survivors: life.survivors.map((one) => (one.seq === told.seq ? told : one)),
});

describe("the account of power cuts", () => {
  test("has nothing to say against a node that keeps its promises", () => {
    expect(violations(FIRST, SECOND)).toEqual([]);
  });

  test("lets the youngest records go, and those that the broker has", () => {
    expect(violations(without(FIRST, 92, 93, 94, 95))).toEqual([]);
    expect(violations({ ...without(FIRST, 40, 41), heard: records(30, 50) })).toEqual([]);
  });

  test("lets go what a full outbox has dropped, where the node says so, be it lives later", () => {
    const dropped: Told = {
      seq: 297,
      topic: "event/dropped",
      timeMs: 29_700,
      fields: { from_seq: 40, to_seq: 40, count: 1, reason: "full" },
    };
    const telling = { ...without(SECOND, 40), heard: [dropped] };
    expect(violations(FIRST, telling)).toEqual([]);
  });

  test("lets go no more than an account counts of its range", () => {
    const dropped: Told = {
      seq: 297,
      topic: "event/dropped",
      timeMs: 29_700,
      fields: { from_seq: 40, to_seq: 45, count: 2, reason: "thinned" },
    };
    expect(violations(FIRST, { ...without(SECOND, 41, 43), heard: [dropped] })).toEqual([]);
    expect(violations(FIRST, { ...without(SECOND, 41, 43, 45), heard: [dropped] })).toEqual([
      "gone after an earlier cut had left them: 1 of 41-45",
    ]);
  });

  test("asks nothing of a life that was too short", () => {
    expect(violations({ ...FIRST, runningAtMs: 9_500, survivors: [] })).toEqual([]);
    expect(violations({ ...FIRST, runningAtMs: undefined, survivors: [] })).toEqual([]);
  });

  test.each<[string, RegExp, readonly Life[]]>([
    ["a record in the middle is gone", /1 missing of 1 to/, [without(FIRST, 40)]],
    ["nothing is left", /left 0 records/, [{ ...FIRST, survivors: [] }]],
    ["the end is gone", /left 50 records/, [{ ...FIRST, survivors: FIRST.survivors.slice(0, 50) }]],
    ["what one cut left, the next one takes", /gone after an earlier cut/, [FIRST, without(SECOND, 40)]],
    ["a number is given twice", /was given to/, [FIRST, replacing(SECOND, { ...record(40), timeMs: 1 })]],
    ["a boot hides the cut", /says killed/, [FIRST, replacing(SECOND, boot(201, "killed"))]],
    ["a boot names no range", /no skipped range/, [FIRST, replacing(SECOND, boot(201, "power_cut"))]],
    [
      "a boot skips what is there",
      /skips 90 to 200/,
      [FIRST, replacing(SECOND, boot(201, "power_cut", { from_seq: 90, to_seq: 200 }))],
    ],
  ])("notices when %s", (_name, violation, lives) => {
    expect(violations(...lives).join("\n")).toMatch(violation);
  });
});
