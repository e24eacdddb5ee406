import { describe, expect, test } from "vitest";
import { type Circumstances, judge, MAX_CLOCK_SKEW_MS } from "../../../src/mqtt/downlink/judge.ts";

const NOW_MS = Date.UTC(2026, 10, 23);
const live: Circumstances = {
  nowWallMs: NOW_MS,
  clockSynced: true,
  retained: false,
  couldBeQueued: false,
  target: "pump",
  first: undefined,
};
const issued = (ageMs: number, maxAgeMs?: number) => ({
  issuedMs: NOW_MS - ageMs,
  ...(maxAgeMs !== undefined && { maxAgeMs }),
});

test("a live command without conditions is carried out", () => {
  expect(judge({}, live)).toBeUndefined();
});

describe("a retained command", () => {
  test("is rejected, seen before or not", () => {
    for (const first of [undefined, { status: "done" }] as const)
      expect(judge({ id: "a" }, { ...live, retained: true, first })).toMatchObject({ status: "rejected" });
  });
});

describe("a command seen before", () => {
  test("for another actuator does nothing there, and does not tell that one's state as this one's", () => {
    const first = { status: "done", state: "on", target: "valve" } as const;
    expect(judge({ id: "a" }, { ...live, first })).toEqual({
      status: "duplicate",
      error: "the id was used for valve before: nothing was done",
    });
  });

  test("gets the first outcome, even when it is too old by now", () => {
    const first = { status: "done", state: "on" } as const;
    expect(judge({ id: "a", ...issued(60_000, 1_000) }, { ...live, first })).toEqual({
      status: "duplicate",
      state: "on",
    });
  });

  test("says in its error why the first was not done", () => {
    const first = { status: "rejected", state: "off", error: "min_off: pump may go on in 3s" } as const;
    expect(judge({ id: "a" }, { ...live, first })).toEqual({
      status: "duplicate",
      state: "off",
      error: "rejected: min_off: pump may go on in 3s",
    });
    expect(judge({ id: "a" }, { ...live, first: "running" })).toMatchObject({ status: "duplicate" });
  });
});

describe("freshness", () => {
  test("ends exactly at max_age", () => {
    expect(judge(issued(10_000, 10_000), live)).toBeUndefined();
    expect(judge(issued(10_001, 10_000), live)).toEqual({
      status: "expired",
      error: "older than its max_age (10s)",
    });
  });

  test("cannot be judged by a clock that is not set", () => {
    expect(judge(issued(0, 10_000), { ...live, clockSynced: false })).toMatchObject({ status: "rejected" });
    expect(judge(issued(0), { ...live, clockSynced: false })).toBeUndefined();
  });

  test("bears clocks that differ a little, and no command from the far future", () => {
    expect(judge(issued(-MAX_CLOCK_SKEW_MS, 1_000), live)).toBeUndefined();
    expect(judge(issued(-MAX_CLOCK_SKEW_MS - 1, 1_000), live)).toMatchObject({ status: "rejected" });
    expect(judge(issued(-MAX_CLOCK_SKEW_MS - 1), live)).toMatchObject({ status: "rejected" });
  });
});

describe("a command that the broker may have queued", () => {
  const queued = { ...live, couldBeQueued: true };

  test("needs issued and max_age", () => {
    expect(judge({}, queued)).toMatchObject({ status: "rejected" });
    expect(judge(issued(0), queued)).toMatchObject({ status: "rejected" });
    expect(judge(issued(1_000, 10_000), queued)).toBeUndefined();
  });

  test("expires like any other", () => {
    expect(judge(issued(11_000, 10_000), queued)).toMatchObject({ status: "expired" });
  });
});
