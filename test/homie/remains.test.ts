import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { retainedUnder, until } from "../mqtt/field-node.ts";
import { type HomieRig, ROOT, startHomieRig } from "./homie-node.ts";

const AIR = "{ id: air, driver: sht4x }";
const OLD = "{ id: Old_1, driver: bme280 }";
const BROKEN = "simulation: { faults: [{ sensor: Old_1, fault: no_ack, after: 500ms }] }";

let rig: HomieRig;

beforeEach(async () => {
  rig = await startHomieRig();
});

afterEach(() => rig.close());

const kept = () => retainedUnder(ROOT, rig.broker.port);

describe("what a Homie node leaves with the broker", () => {
  test("goes when the configuration no longer has it: values, states and alerts", async () => {
    await rig.start(`sensors: [${AIR}, ${OLD}]
actuators: [{ id: pump, driver: digital_output, pin: 5 }, { id: lamp, driver: digital_output, pin: 6 }]
${BROKEN}`);
    await until(() => rig.said("old-1/pressure").length > 0, 5_000, "a value");
    await until(() => rig.said("$alert/old-1").some((words) => words !== ""), 10_000, "an alert");
    await rig.stop();
    expect(await kept()).toMatchObject({ "lamp/state": "false", "old-1/pressure": expect.anything() });
    await rig.start(`sensors: [${AIR}]
actuators: [{ id: pump, driver: digital_output, pin: 5 }]`);
    await rig.shows("$alert/old-1", "");
    await rig.shows("old-1/reading", "");
    await rig.shows("lamp/state", "");
    const topics = Object.keys(await kept());
    expect(topics.filter((topic) => /old-1|lamp/.test(topic))).toEqual([]);
    expect(topics).toEqual(
      expect.arrayContaining(["$state", "$description", "air/temperature", "pump/state", "node/event"]),
    );
  });

  test("goes on the next link, where the first one broke", async () => {
    await rig.start(`sensors: [${AIR}, ${OLD}]`);
    await until(() => rig.said("old-1/pressure").length > 0, 5_000, "a value");
    await rig.stop();
    rig.proxy.pubacks("swallow");
    const starting = rig.start(`sensors: [${AIR}]`);
    await until(() => rig.said("$state").filter((state) => state === "init").length > 1, 5_000, "a link");
    rig.proxy.cut("rst");
    rig.proxy.pubacks("pass");
    await starting;
    await rig.shows("old-1/pressure", "");
  });

  test.each([
    "",
    "no JSON",
    "null",
    '{"nodes":null}',
    '{"nodes":{"a":null}}',
    '{"nodes":{"a":{"properties":null}}}',
    '{"nodes":{"air":{"properties":{"+":{},"#":{},"temperature/set":{},"":{},"\\u0000":{}}},"../x":{"properties":{"y":{}}}}}',
  ])("is not touched for a description that makes no sense: %s", async (description) => {
    await rig.watcher.publishAsync(`${ROOT}/$description`, description, { retain: true, qos: 1 });
    await rig.watcher.publishAsync(`${ROOT}/x/y`, "mine", { retain: true, qos: 1 });
    await rig.start(`sensors: [${AIR}]`);
    await until(() => rig.said("air/temperature").length > 0, 5_000, "a value");
    expect(await kept()).toMatchObject({ $state: "ready", "x/y": "mine" });
    await rig.watcher.publishAsync(`${ROOT}/x/y`, "", { retain: true, qos: 1 });
  });
});

describe("the alert of a sensor", () => {
  test("says what is wrong for as long as it is, and is gone when it is mended", async () => {
    await rig.start(`sensors: [${AIR}]
simulation: { faults: [{ sensor: air, fault: no_ack, after: 500ms, for: 1s }] }`);
    await until(() => rig.said("$alert/air").some((words) => words !== ""), 10_000, "an alert");
    const words = rig.said("$alert/air").find((each) => each !== "")!;
    expect(words).toMatch(/^air: \S/);
    await rig.shows("$alert/air", "");
    await until(() => rig.said("air/temperature").length > 0, 5_000, "a value");
    expect(Object.keys(await kept())).not.toContain("$alert/air");
  });

  test("of an earlier run is cleared at the start", async () => {
    await rig.watcher.publishAsync(`${ROOT}/$alert/air`, "air: gone", { retain: true, qos: 1 });
    await rig.start(`sensors: [${AIR}]`);
    await rig.shows("$alert/air", "");
  });
});
