import { expect, test } from "vitest";
import { silentLog } from "../../src/log.ts";
import { dropWaiting } from "../../src/node/drop.ts";
import type { Recorder } from "../../src/record/recorder.ts";
import { DAY_MS, fill, Rig, record } from "../outbox/rig.ts";

test("dropping by hand goes on behind what is too old and goes by itself, and each is told once", async () => {
  // Ten records of 100 bytes go for their age in one piece.
  const rig = new Rig({ maxAgeMs: DAY_MS, pieceBytes: 1_000, maxSizeBytes: 8 * 1024 * 1024 });
  const outbox = await rig.open();
  fill(outbox, 95);
  rig.clock.setWall(rig.clock.wallMs() + 2 * DAY_MS);
  fill(outbox, 2_500);
  const told: unknown[] = [];
  const recorder: Recorder = {
    record(topic, fields) {
      told.push([topic, fields]);
      return outbox.append(record("report"));
    },
  };
  expect(await dropWaiting(outbox, recorder, silentLog, 2_500)).toEqual({
    count: 2_405,
    fromSeq: 96,
    toSeq: 2_500,
  });
  expect(told).toEqual([
    ["event/dropped", { from_seq: 1, to_seq: 95, count: 95, reason: "expired" }],
    ["event/dropped", { from_seq: 96, to_seq: 2_500, count: 2_405, reason: "operator" }],
  ]);
  expect(outbox.status()).toMatchObject({ firstSeq: 2_501, depth: 97 });
  expect(await dropWaiting(outbox, recorder, silentLog, 2_500)).toEqual({ count: 0 });
  await outbox.close();
});
