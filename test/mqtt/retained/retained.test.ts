import { afterEach, describe, expect, test } from "vitest";
import { type About, createAbout } from "../../../src/mqtt/retained/about.ts";
import { createRig, type Rig } from "../rig.ts";

let rig: Rig;
afterEach(() => rig.stop());

const STATE = "fieldpost/n1/state/pump";
const FAULT = "fieldpost/n1/fault/air";
const ABOUT = "fieldpost/n1/about";

const payloads = (topic: string) => rig.broker.messages(topic).map(({ payload }) => payload);
async function reconnect(): Promise<void> {
  rig.broker.cut();
  await rig.clock.advance(0);
  rig.broker.restore();
  await rig.clock.advance(5_000);
}

describe("retained values", () => {
  test("are published on change only", async () => {
    rig = await createRig();
    await rig.start();
    for (const state of ["on", "on", "off"]) rig.retained.set(STATE, state);
    await rig.clock.advance(0);
    expect(payloads(STATE)).toEqual(["on", "off"]);
    expect(rig.broker.messages(STATE)[0]).toMatchObject({ qos: 1, retain: true });
  });

  test("set without a link wait for it, the last one only", async () => {
    rig = await createRig();
    rig.retained.set(STATE, "on");
    rig.retained.set(STATE, "off");
    await rig.start();
    expect(payloads(STATE)).toEqual(["off"]);
  });

  test("are published again on each link: the broker may have lost them", async () => {
    rig = await createRig();
    await rig.start();
    rig.retained.set(STATE, "on");
    await rig.clock.advance(0);
    await rig.broker.forget();
    await reconnect();
    expect(rig.broker.retained(STATE)).toBe("on");
  });

  test("are cleared once, also of what an earlier run left, and not for ever", async () => {
    rig = await createRig();
    await rig.broker.publish(FAULT, "old", { retain: true });
    await rig.start();
    for (const fault of ["", "", "broken", "", ""]) rig.retained.set(FAULT, fault);
    await rig.clock.advance(0);
    await reconnect();
    expect(payloads(FAULT)).toEqual(["", "broken", ""]);
    expect(rig.broker.retained(FAULT)).toBeUndefined();
  });

  test("a clearing that the broker never had is made up for", async () => {
    rig = await createRig();
    await rig.start();
    rig.retained.set(FAULT, "broken");
    await rig.clock.advance(0);
    rig.broker.cut();
    rig.retained.set(FAULT, "");
    await rig.clock.advance(0);
    rig.broker.restore();
    await rig.clock.advance(5_000);
    expect(rig.broker.retained(FAULT)).toBeUndefined();
  });
});

describe("the description", () => {
  let about: About;
  const start = async () => {
    let created: About | undefined;
    rig = await createRig({
      onMessage: (message) => void created?.offer(message),
      steps: [{ name: "about", run: async (link) => created?.run(link) }],
    });
    created = createAbout({ topic: ABOUT, link: rig.session.link, clock: rig.clock, log: rig.log });
    about = created;
    about.set("v1");
  };

  test("is published where the broker has none", async () => {
    await start();
    await rig.start();
    await rig.clock.advance(5_000);
    expect(payloads(ABOUT)).toEqual(["v1"]);
  });

  test("is not published again where the broker has it", async () => {
    await start();
    await rig.broker.publish(ABOUT, "v1", { retain: true });
    await rig.start();
    await rig.clock.advance(5_000);
    await reconnect();
    expect(payloads(ABOUT)).toEqual([]);
  });

  test("is published where the broker has another, or has lost it", async () => {
    await start();
    await rig.broker.publish(ABOUT, "v0", { retain: true });
    await rig.start();
    await rig.clock.advance(5_000);
    expect(payloads(ABOUT)).toEqual(["v1"]);
    await rig.broker.forget();
    await reconnect();
    expect(payloads(ABOUT)).toEqual(["v1", "v1"]);
  });

  test("that changes on a link goes out at once", async () => {
    await start();
    await rig.start();
    await rig.clock.advance(5_000);
    about.set("v2");
    await rig.clock.advance(0);
    expect(rig.broker.retained(ABOUT)).toBe("v2");
    await about.publish();
    await rig.clock.advance(0);
    expect(payloads(ABOUT)).toEqual(["v1", "v2", "v2"]);
  });
});
