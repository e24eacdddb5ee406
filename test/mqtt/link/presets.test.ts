import { afterEach, describe, expect, test } from "vitest";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { silentLog } from "../../../src/log.ts";
import { PRESETS, type Preset } from "../../../src/mqtt/broker/presets.ts";
import { contractSpelling } from "../../../src/mqtt/convention/spelling.ts";
import { openLink } from "../../../src/mqtt/link/connect.ts";
import { networkDial } from "../../../src/mqtt/link/dial.ts";
import { limitLink } from "../../../src/mqtt/link/limited-link.ts";
import { type OpenLink, PublishRefusedError } from "../../../src/mqtt/link/link.ts";
import { createUplink } from "../../../src/mqtt/uplink/uplink.ts";
import { until } from "../field-node.ts";
import { memoryOutbox, reading } from "../uplink/memory-outbox.ts";
import { type StrictBroker, startStrictBroker } from "./strict-broker.ts";

let broker: StrictBroker;
let link: OpenLink;
afterEach(async () => {
  await link.end();
  await broker.close();
});

/** A bare link with a broker that is as strict as the preset says. */
async function connect(preset: Preset, keepaliveMs = 60_000): Promise<OpenLink> {
  broker = await startStrictBroker(preset);
  link = await openLink(
    {
      server: { scheme: "mqtt", host: "127.0.0.1", port: broker.port },
      version: 4,
      clientId: "n1",
      keepaliveMs,
      sessionExpiryMs: 0,
      onMessage() {},
      clock: linuxClock(),
      log: silentLog,
    },
    networkDial(undefined, () => Promise.reject(new Error("no TLS here"))),
    new AbortController().signal,
  );
  return link;
}

/** Drains a backlog over `over` until nothing is left, or the link is lost. */
async function drain(over: OpenLink, count: number): Promise<void> {
  const outbox = memoryOutbox();
  for (let value = 1; value <= count; value++) outbox.append(reading(value));
  const uplink = createUplink({
    outbox,
    spell: contractSpelling({ topicRoot: "n1", qos: 1 }),
    maxInFlight: 200,
    ratePerSecond: 0,
    clock: linuxClock(),
    log: silentLog,
    onDrop() {},
  });
  void uplink.run(over);
  await until(() => outbox.entries.length === 0 || over.closed.aborted, 15_000, "an empty outbox");
}

const filters = Array.from({ length: 23 }, (_, at) => `n1/command/${at}`);

const tooMuch: readonly [string, (to: OpenLink, preset: Preset) => Promise<unknown>][] = [
  [
    "a large message",
    (to, { maximumPayloadBytes }) =>
      to.publish({ topic: "a", payload: Buffer.alloc(maximumPayloadBytes + 1), qos: 1, retain: false }),
  ],
  [
    "a long topic",
    (to, { topicBytes }) =>
      to.publish({ topic: "a".repeat(topicBytes + 1), payload: "1", qos: 1, retain: false }),
  ],
  [
    "a deep topic",
    (to, { topicLevels = 0 }) =>
      to.publish({ topic: `a${"/a".repeat(topicLevels)}`, payload: "1", qos: 1, retain: false }),
  ],
  [
    "a large retained message",
    (to, { maximumRetainedBytes = 0 }) =>
      to.publish({ topic: "a", payload: Buffer.alloc(maximumRetainedBytes + 1), qos: 1, retain: true }),
  ],
];

const can = (what: string, preset: Preset) =>
  (what !== "a long topic" || preset.topicBytes < 65_535) &&
  (what !== "a deep topic" || preset.topicLevels !== undefined) &&
  (what !== "a large retained message" || preset.maximumRetainedBytes !== undefined) &&
  // A quarter of a gigabyte is no test.
  (what !== "a large message" || preset.maximumPayloadBytes < 2 ** 24);

describe.each(Object.entries(PRESETS))("a broker as strict as %s", (_name, preset) => {
  const { publishesPerSecond, inFlight, filtersPerSubscribe, maximumQos } = preset;
  const limited = (to: OpenLink) => limitLink(to, preset, linuxClock());

  test.runIf(publishesPerSecond ?? inFlight)("throws out who sends a backlog at once", async () => {
    await drain(await connect(preset), 300);
    expect(broker.offences).toEqual([expect.stringMatching(/messages (in a second|under way)/)]);
  });

  test("gets a backlog at its pace, and whole", async () => {
    await drain(limited(await connect(preset)), 250);
    expect(broker.offences).toEqual([]);
    expect(broker.accepted).toHaveLength(250);
  });

  test.runIf(filtersPerSubscribe)("throws out who subscribes to much at once", async () => {
    await expect((await connect(preset)).subscribe(filters)).rejects.toThrow();
    expect(broker.offences).toEqual(["23 filters at once"]);
  });

  test("gets subscriptions in parts that it takes", async () => {
    await limited(await connect(preset)).subscribe(filters);
    expect(broker.offences).toEqual([]);
    expect(Math.max(...broker.subscribes)).toBeLessThanOrEqual(filtersPerSubscribe ?? filters.length);
    expect(broker.subscribes.reduce((sum, count) => sum + count)).toBe(filters.length);
  });

  test.each(tooMuch.filter(([what]) => can(what, preset)))("throws out who sends %s", async (what, send) => {
    await expect(send(await connect(preset), preset)).rejects.toThrow();
    expect(broker.offences).toEqual([what]);
  });

  test.each(tooMuch.filter(([what]) => can(what, preset)))(
    "is spared %s, which is refused by itself, and the link goes on",
    async (_what, send) => {
      const to = limited(await connect(preset));
      await expect(send(to, preset)).rejects.toBeInstanceOf(PublishRefusedError);
      await to.publish({ topic: "a", payload: "1", qos: 1, retain: false });
      expect(broker.offences).toEqual([]);
    },
  );

  test.runIf(maximumQos === 1)("gets QoS 1 where somebody asks for 2", async () => {
    await limited(await connect(preset)).publish({ topic: "a", payload: "1", qos: 2, retain: false });
    expect(broker.accepted).toMatchObject([{ topic: "a", qos: 1 }]);
  });
});

test("what waits for its turn is told when the link is lost", async () => {
  const to = limitLink(await connect(PRESETS.aws_iot_core), PRESETS.aws_iot_core, linuxClock());
  const sent = Array.from({ length: 50 }, () =>
    to.publish({ topic: "a", payload: "1", qos: 1, retain: false }).then(
      () => "taken",
      (error: Error) => error.message,
    ),
  );
  link.abandon(new Error("gone"));
  expect(new Set(await Promise.all(sent))).toContain("gone");
});

test("a result goes ahead of a backlog that waits", async () => {
  const to = limitLink(await connect(PRESETS.aws_iot_core), PRESETS.aws_iot_core, linuxClock());
  for (let at = 0; at < 60; at++)
    to.publishThen({ topic: "telemetry", payload: "1", qos: 1, retain: false }, () => {});
  await to.publish({ topic: "result", payload: "1", qos: 1, retain: false });
  const place = broker.accepted.findIndex(({ topic }) => topic === "result");
  expect(place).toBeLessThan(20);
});

test("a flood of direct messages neither keeps a backlog from its turn nor grows without bounds", async () => {
  const to = limitLink(await connect(PRESETS.aws_iot_core), PRESETS.aws_iot_core, linuxClock());
  const refused: string[] = [];
  for (let at = 0; at < 600; at++)
    to.publish({ topic: "direct", payload: "1", qos: 0, retain: false }).catch((error: Error) =>
      refused.push(error.message),
    );
  await drain(to, 30);
  expect(refused.length).toBeGreaterThanOrEqual(90);
  expect(new Set(refused)).toEqual(new Set(["too many messages wait for the broker's rate"]));
  expect(broker.offences).toEqual([]);
  link.abandon(new Error("enough"));
});
