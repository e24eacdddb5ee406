import { afterEach, describe, expect, test } from "vitest";
import { parseServer } from "../../../src/mqtt/broker/server.ts";
import { ConnectionRefusedError, UnsupportedVersionError } from "../../../src/mqtt/link/link.ts";
import { createRig, type Rig, type RigOptions } from "../rig.ts";
import { reading } from "../uplink/memory-outbox.ts";
import { closableLink } from "./closable-link.ts";

let rig: Rig;
const start = async (options?: RigOptions) => {
  rig = await createRig(options);
  await rig.start();
  return rig;
};
afterEach(() => rig.stop());

const seqs = () => rig.broker.json<{ seq: number }>("fieldpost/n1/telemetry/+").map(({ seq }) => seq);
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1);

describe("a session", () => {
  test("is there after CONNACK, and the status says so", async () => {
    const { broker, session, topics } = await start();
    expect(session.hasSession()).toBe(true);
    expect(broker.retained(topics.status)).toBe("online");
  });

  test("falls back to MQTT 3.1.1 with a broker that does not speak 5, and remembers", async () => {
    const { broker, clock, session } = await start();
    expect(session.status()).toMatchObject({ version: "3.1.1", attempts: 1, connects: 1 });
    broker.cut();
    await clock.advance(100);
    broker.restore();
    await clock.advance(3_000);
    expect(session.status()).toMatchObject({ version: "3.1.1", connects: 2, connected: true });
  });

  test("does not give MQTT 5 up for good over a link that broke while it was made", async () => {
    const tried: number[] = [];
    rig = await createRig({
      session: {
        steps: [],
        open: async (_server, version) => {
          tried.push(version);
          if (tried.length === 1)
            throw new UnsupportedVersionError("closed without an answer", { stated: false });
          const closing = new AbortController();
          void rig.clock.sleep(1_000).then(() => closing.abort(new Error("gone")));
          return closableLink(closing, version);
        },
      },
    });
    await rig.start();
    await rig.clock.advance(4_000);
    expect(tried.slice(0, 3)).toEqual([5, 4, 5]);
  });

  test.each([
    ["answers", true],
    ["never answers", false],
  ])("listens only once the broker has answered its subscriptions: one that %s", async (_, answers) => {
    let listening = 0;
    rig = await createRig({
      session: {
        steps: [],
        onListening: () => void listening++,
        open: async (_server, version) => ({
          ...closableLink(new AbortController(), version),
          subscribe: () => (answers ? Promise.resolve() : new Promise(() => {})),
        }),
      },
    });
    await rig.start();
    await rig.clock.advance(5_000);
    expect(rig.session.hasSession()).toBe(true);
    expect(listening).toBe(answers ? 1 : 0);
  });

  test("takes a broker's refusal for what it is", async () => {
    rig = await createRig({ session: { version: "5" } });
    await rig.start();
    expect(rig.session.status().lastError).toBe("mqtt://sim:1883 does not speak MQTT 5");
  });

  test("sends what waited, and what comes", async () => {
    rig = await createRig();
    for (let value = 1; value <= 100; value++) rig.outbox.append(reading(value));
    await rig.start();
    rig.outbox.append(reading(101));
    await rig.clock.advance(0);
    expect(seqs()).toEqual(upTo(101));
    expect(rig.outbox.entries).toEqual([]);
  });

  test("says offline and goodbye when it is stopped", async () => {
    const { broker, topics } = await start();
    await rig.stop();
    expect(broker.messages(topics.status).map(({ payload }) => payload)).toEqual(["online", "offline"]);
    expect(rig.session.hasSession()).toBe(false);
  });

  test("stops within a second when the broker answers nothing", async () => {
    const { broker, clock } = await start();
    broker.halfOpen();
    const beforeMs = clock.monotonicMs();
    await rig.stop();
    expect(clock.monotonicMs() - beforeMs).toBeLessThanOrEqual(1_000);
  });

  test("stops at once while it waits for the next attempt", async () => {
    const { broker, clock } = await start();
    broker.cut();
    await clock.advance(10_000);
    const beforeMs = clock.monotonicMs();
    await rig.stop();
    expect(clock.monotonicMs()).toBe(beforeMs);
  });

  test("the broker publishes the will when the link breaks", async () => {
    const { broker, topics, clock } = await start();
    broker.cut();
    await clock.advance(0);
    expect(broker.retained(topics.status)).toBe("offline");
  });
});

describe("an outage", () => {
  test("loses nothing, and what went out again is within the window", async () => {
    const { broker, clock, outbox } = await start();
    for (let value = 1; value <= 500; value++) {
      outbox.append(reading(value));
      if (value === 200) broker.cut();
      if (value === 400) broker.restore();
      await clock.advance(1_000);
    }
    await clock.advance(240_000);
    expect([...new Set(seqs())]).toEqual(upTo(500));
    expect(broker.duplicates()).toBeLessThanOrEqual(64);
    expect(outbox.entries).toEqual([]);
  });

  test("is told of once, however many attempts it takes", async () => {
    const { broker, clock, log, session } = await start();
    broker.cut();
    await clock.advance(3_600_000);
    broker.restore();
    await clock.advance(240_000);
    expect(session.status().attempts).toBeGreaterThan(30);
    expect(log.lines.filter((line) => !line.startsWith("debug"))).toEqual([
      "info connected to the broker",
      "warn lost the broker",
      "info connected to the broker",
    ]);
  });

  test("is not hammered at: an hour's attempts are few, and never further apart than the maximum", async () => {
    const attemptsAtMs: number[] = [];
    rig = await createRig({
      session: {
        open: async () => {
          attemptsAtMs.push(rig.clock.monotonicMs());
          throw new ConnectionRefusedError(3, "server unavailable");
        },
      },
    });
    await rig.start();
    await rig.clock.advance(3_600_000);
    const gapsMs = attemptsAtMs.slice(1).map((atMs, at) => atMs - attemptsAtMs[at]!);
    expect(Math.max(...gapsMs)).toBeLessThanOrEqual(120_000);
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(1_000);
    expect(attemptsAtMs.length).toBeLessThan(150);
  });

  test("each server of a list gets its turn before the wait", async () => {
    const tried: string[] = [];
    rig = await createRig({
      session: {
        servers: [parseServer("mqtt://a"), parseServer("mqtt://b")],
        open: async (server) => {
          tried.push(`${server.host} ${rig.clock.monotonicMs() - 60_000}`);
          throw new Error("no");
        },
      },
    });
    await rig.start();
    await rig.clock.advance(2_000);
    expect(tried.slice(0, 2)).toEqual(["a 0", "b 0"]);
    expect(tried.slice(2).map((line) => line[0])).toEqual(["a", "b"]);
  });
});

describe("a broker that fails", () => {
  test("by swallowing PUBACKs is left, and the records go out again", async () => {
    const { broker, clock, outbox, session } = await start();
    broker.dropPubacks(true);
    outbox.append(reading(1));
    await clock.advance(30_000);
    expect(outbox.entries).toHaveLength(1);
    await clock.advance(60_000);
    expect(session.status().lastError).toContain("left a message unacknowledged for 50 s");
    broker.dropPubacks(false);
    await clock.advance(120_000);
    expect(outbox.entries).toEqual([]);
    expect(broker.duplicates()).toBeGreaterThan(0);
  });

  test("by a half-open link is found out within one and a half keep alive intervals", async () => {
    const { broker, clock, session } = await start();
    broker.halfOpen();
    await clock.advance(37_500);
    expect(session.status().lastError).toContain("silent for 31.25 s");
    await clock.advance(2_000);
    expect(session.status()).toMatchObject({ connected: true, connects: 2 });
  });

  test("by accepting and never answering costs a deadline, not the node", async () => {
    rig = await createRig();
    rig.broker.hang();
    await rig.start();
    await rig.clock.advance(25_000);
    expect(rig.session.status().lastError).toContain("took longer than 20000 ms");
    rig.broker.restore();
    await rig.clock.advance(25_000);
    expect(rig.session.hasSession()).toBe(true);
  });

  test("by refusing is quoted in words", async () => {
    rig = await createRig();
    rig.broker.refuse(4);
    await rig.start();
    expect(rig.session.status().lastError).toBe(
      "the broker refuses the connection: bad user name or password: check mqtt.username and mqtt.password (code 4)",
    );
  });

  test("by being slow is served all the same", async () => {
    const { broker, clock, outbox } = await start();
    broker.delay(2_000);
    for (let value = 1; value <= 200; value++) outbox.append(reading(value));
    await clock.advance(60_000);
    expect(seqs()).toEqual(upTo(200));
    expect(outbox.entries).toEqual([]);
  });

  test("an idle link stays up by pings alone", async () => {
    const { clock, session } = await start();
    await clock.advance(3_600_000);
    expect(session.status()).toMatchObject({ connects: 1, connected: true });
  });
});

describe("commands", () => {
  test("are subscribed to before any backlog is sent", async () => {
    rig = await createRig();
    for (let value = 1; value <= 10; value++) rig.outbox.append(reading(value));
    let commandsBefore = 0;
    rig.broker.waitFor("fieldpost/n1/telemetry/air").then(() => {
      commandsBefore = rig.received.length;
    });
    await rig.broker.publish(rig.topics.command("pump"), "on", { retain: true });
    await rig.start();
    expect(rig.received[0]).toMatchObject({ topic: rig.topics.command("pump"), retain: true });
    expect(commandsBefore).toBe(1);
  });

  test("arrive while a backlog of ten thousand drains", async () => {
    let backlogAtCommand = 0;
    rig = await createRig({
      onMessage: () => {
        backlogAtCommand = rig.outbox.entries.length;
      },
    });
    for (let value = 1; value <= 10_000; value++) rig.outbox.append(reading(value));
    rig.broker
      .waitFor("fieldpost/n1/telemetry/air", ({ payload }) => payload.startsWith('{"seq":1000,'))
      .then(() => rig.broker.publish("fieldpost/n1/command/pump", "on"));
    await rig.start();
    await rig.clock.advance(0);
    expect(seqs()).toEqual(upTo(10_000));
    expect(backlogAtCommand).toBeGreaterThan(5_000);
  });

  test("are acknowledged only when they are dealt with, and hold nothing up meanwhile", async () => {
    let finish = () => {};
    rig = await createRig({
      sessionExpiryMs: 3_600_000,
      onMessage: (message) => {
        rig.received.push(message);
        return new Promise((resolve) => {
          finish = resolve;
        });
      },
    });
    await rig.start();
    await rig.broker.publish(rig.topics.command("pump"), "on");
    rig.outbox.append(reading(1));
    await rig.clock.advance(0);
    expect(rig.received).toHaveLength(1);
    expect(rig.outbox.entries).toEqual([]);

    rig.broker.cut();
    rig.broker.restore();
    await rig.clock.advance(3_000);
    expect(rig.received).toHaveLength(2);
    finish();
    await rig.clock.advance(0);

    rig.broker.cut();
    rig.broker.restore();
    await rig.clock.advance(10_000);
    expect(rig.session.hasSession()).toBe(true);
    expect(rig.received).toHaveLength(2);
  });

  test("that a handler fails on are logged and not repeated", async () => {
    await start({
      onMessage: async () => {
        throw new Error("no such pump");
      },
    });
    await rig.broker.publish(rig.topics.command("pump"), "on");
    await rig.clock.advance(0);
    expect(rig.log.lines).toContain("error a message could not be handled");
    expect(rig.session.hasSession()).toBe(true);
  });
});
