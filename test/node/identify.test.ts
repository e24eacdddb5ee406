import { expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { simLamp } from "../../src/device/sim/lamp.ts";
import { createIdentify } from "../../src/node/identify.ts";
import { recordingLog } from "../mqtt/rig.ts";

function setUp() {
  const clock = new VirtualClock({ wallMs: 0 });
  const lamp = simLamp();
  const log = recordingLog();
  const stopping = new AbortController();
  return {
    clock,
    lamp,
    log,
    stopping,
    identify: createIdentify(lamp, { clock, log, stopping: stopping.signal }),
  };
}

test("the light blinks twice a second for ten seconds, and is given back", async () => {
  const { clock, lamp, log, identify } = setUp();
  expect(await clock.run(identify.begin())).toEqual({ lamp: "ACT (simulated)", for_s: 10 });
  await clock.advance(9_000);
  expect(lamp.isTaken()).toBe(true);
  await clock.advance(1_500);
  expect(lamp.isTaken()).toBe(false);
  expect(lamp.flashes()).toBe(20);
  expect(log.lines).toEqual(["info the board's light blinks"]);
});

test("asked again, it goes on for longer and takes the light once", async () => {
  const { clock, lamp, log, identify } = setUp();
  await clock.run(identify.begin());
  await clock.advance(8_000);
  await clock.run(identify.begin());
  await clock.advance(8_000);
  expect(lamp.isTaken()).toBe(true);
  await clock.advance(3_000);
  expect(lamp.isTaken()).toBe(false);
  expect(log.lines).toHaveLength(1);
  await clock.run(identify.begin());
  expect(lamp.isTaken()).toBe(true);
});

test("a node that stops gives the light back first", async () => {
  const { clock, lamp, stopping, identify } = setUp();
  await clock.run(identify.begin());
  await clock.advance(300);
  stopping.abort();
  await clock.run(identify.ended());
  expect(lamp.isTaken()).toBe(false);
});

test("a light that fails while it blinks is given back and said once; one that cannot be taken is the answer", async () => {
  const { clock, log, stopping } = setUp();
  let given = 0;
  const broken = {
    isThere: async () => true,
    take: async () => ({
      name: "ACT",
      set: () => Promise.reject(new Error("gone")),
      giveBack: async () => void given++,
    }),
  };
  const identify = createIdentify(broken, { clock, log, stopping: stopping.signal });
  await clock.run(identify.begin());
  await clock.run(identify.ended());
  expect(given).toBe(1);
  expect(log.lines).toContain("warn the board's light cannot be switched");

  const refused = { isThere: async () => true, take: () => Promise.reject(new Error("not permitted")) };
  const other = createIdentify(refused, { clock, log, stopping: stopping.signal });
  await expect(clock.run(other.begin())).rejects.toThrow("not permitted");
  await expect(clock.run(other.begin())).rejects.toThrow("not permitted");
  await expect(createIdentify(undefined, { clock, log, stopping: stopping.signal }).begin()).rejects.toThrow(
    "this board has no light to blink",
  );
});
