import { afterEach, describe, expect, test } from "vitest";
import { LinkClosedError, SessionTakenOverError } from "../../../src/mqtt/link/link.ts";
import { createRivalWatch } from "../../../src/mqtt/session/rival.ts";
import { createRig, type Rig } from "../rig.ts";
import { closableLink } from "./closable-link.ts";

const closed = new LinkClosedError("the broker closed the connection");
const takenOver = new SessionTakenOverError("the broker ended the connection: session taken over (code 142)");

describe("a rival", () => {
  test("is known at once where the broker tells of it, however long the link lasted", () => {
    const watch = createRivalWatch("n1");
    expect(watch.suspect({ livedMs: 3_600_000, reason: takenOver })?.message).toBe(
      'another client uses the client id "n1": the broker ended the connection: session taken over (code 142)',
    );
  });

  test("is suspected after three links in a row that the broker closed just after CONNACK", () => {
    const watch = createRivalWatch("n1");
    const suspected = [500, 9_000, 500, 500, 60_000, 500].map(
      (livedMs) => watch.suspect({ livedMs, reason: closed })?.message,
    );
    const words = (times: number) =>
      `another client seems to use the client id "n1": the broker closed the connection, ${times} times in a row just after CONNACK`;
    expect(suspected).toEqual([undefined, undefined, words(3), words(4), undefined, undefined]);
  });

  test("is not suspected behind a broker that falls silent", () => {
    const watch = createRivalWatch("n1");
    const silent = new Error("the broker has been silent for 5 s");
    for (let link = 0; link < 5; link++)
      expect(watch.suspect({ livedMs: 500, reason: silent })).toBeUndefined();
  });
});

describe("a session with a rival", () => {
  let rig: Rig;
  afterEach(() => rig.stop());

  /** Links that the broker ends for another client, each after the time given, and when each was made. */
  async function throwOut(livesMs: readonly number[]): Promise<number[]> {
    const madeAtMs: number[] = [];
    rig = await createRig({
      session: {
        subscriptions: [],
        steps: [],
        open: async () => {
          const closing = new AbortController();
          const lifeMs = livesMs[madeAtMs.length];
          madeAtMs.push(rig.clock.monotonicMs());
          if (lifeMs !== undefined) void rig.clock.sleep(lifeMs).then(() => closing.abort(takenOver));
          return closableLink(closing);
        },
      },
    });
    await rig.start();
    await rig.clock.advance(600_000);
    return madeAtMs;
  }

  test("stays away for as long as it may once it is thrown out as soon as it came", async () => {
    const [first, second, third] = await throwOut([2_000, 2_000]);
    for (const waitMs of [second! - first! - 2_000, third! - second! - 2_000]) {
      expect(waitMs).toBeGreaterThanOrEqual(60_000);
      expect(waitMs).toBeLessThanOrEqual(120_000);
    }
    expect(rig.session.status().lastError).toMatch(/^another client uses the client id "n1": /);
  });

  test("comes back at once where it had been connected for long: one of the two works", async () => {
    const [first, second] = await throwOut([120_000]);
    expect(second! - first! - 120_000).toBeLessThanOrEqual(2_000);
  });
});
