import { afterEach, describe, expect, test } from "vitest";
import { formatServer, parseServer, referredServer } from "../../../src/mqtt/broker/server.ts";
import { openLink } from "../../../src/mqtt/link/connect.ts";
import {
  CertificateNotYetValidError,
  type OpenLink,
  ServerRedirectError,
} from "../../../src/mqtt/link/link.ts";
import { scriptedBroker } from "../link/scripted-broker.ts";
import { createRig, type Rig, recordingLog } from "../rig.ts";
import { closableLink } from "./closable-link.ts";

let rig: Rig;
afterEach(() => rig?.stop());

/** A session whose connections end as `answers` has it, by the server's URL. */
async function startWith(servers: readonly string[], answers: (url: string) => OpenLink | Error) {
  const tried: string[] = [];
  rig = await createRig({
    session: {
      servers: servers.map(parseServer),
      steps: [],
      open: async (server) => {
        tried.push(formatServer(server));
        const answer = answers(formatServer(server));
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
  });
  await rig.start();
  return tried;
}

describe("a broker that sends the node to another", () => {
  test("is believed at once, and the other is used until it fails", async () => {
    const closing = new AbortController();
    let isDown = false;
    const tried = await startWith(["mqtt://a"], (url) => {
      if (url === "mqtt://a:1883") return new ServerRedirectError("b:1884");
      return isDown ? new Error("down") : closableLink(closing, 5);
    });
    expect(tried).toEqual(["mqtt://a:1883", "mqtt://b:1884"]);
    expect(rig.session.status()).toMatchObject({ connected: true, server: "mqtt://b:1884", attempts: 2 });
    isDown = true;
    closing.abort(new Error("gone"));
    await rig.clock.advance(3_000);
    expect(tried.slice(2, 4)).toEqual(["mqtt://a:1883", "mqtt://b:1884"]);
  });

  test("in the middle of a connection is followed too", async () => {
    const closing = new AbortController();
    const tried = await startWith(["mqtt://a"], (url) =>
      closableLink(url === "mqtt://a:1883" ? closing : new AbortController(), 5),
    );
    closing.abort(new ServerRedirectError("[2001:db8::1]:1885 c"));
    await rig.clock.advance(3_000);
    expect(tried).toEqual(["mqtt://a:1883", "mqtt://[2001:db8::1]:1885"]);
  });

  test("in a circle is left after three, and the list goes on", async () => {
    const tried = await startWith(["mqtt://a", "mqtt://z"], (url) =>
      url === "mqtt://z:1883" ? closableLink(new AbortController(), 5) : new ServerRedirectError("a"),
    );
    expect(tried.filter((url) => url === "mqtt://a:1883").length).toBeLessThanOrEqual(8);
    await rig.clock.advance(10_000);
    expect(rig.session.status()).toMatchObject({ server: expect.stringContaining("mqtt://") });
  });

  test.each([
    ["b", "mqtts://a:1", "mqtts://b:8883"],
    ["b:99", "ws://a:1/x", "ws://b:99/x"],
    ["10.0.0.1 c d", "mqtt://a", "mqtt://10.0.0.1:1883"],
    ["", "mqtt://a", undefined],
    ["http://evil/", "mqtt://a", undefined],
    ["user:pw@b", "mqtt://a", undefined],
    ["b", "mqtt+unix:///s", undefined],
  ])("to %j from %s means %s", (reference, from, expected) => {
    const server = referredServer(reference, parseServer(from));
    expect(server && formatServer(server)).toBe(expected);
  });

  test.each([156, 157])("says so in CONNACK with reason code %i", async (reasonCode) => {
    const broker = scriptedBroker((packet, { send, close }) => {
      if (packet.cmd !== "connect") return;
      send({
        cmd: "connack",
        reasonCode,
        sessionPresent: false,
        properties: { serverReference: "b:1884" },
      } as never);
      close();
    });
    rig = await createRig();
    const opening = openLink(
      {
        server: parseServer("mqtt://a"),
        version: 5,
        clientId: "n1",
        keepaliveMs: 25_000,
        sessionExpiryMs: 0,
        onMessage() {},
        clock: rig.clock,
        log: recordingLog(),
      },
      async () => broker.stream,
      new AbortController().signal,
    );
    await expect(opening).rejects.toMatchObject({ name: "ServerRedirectError", reference: "b:1884" });
  });
});

test("a certificate from the future makes a node without time wait for the time, not for the pause", async () => {
  let tries = 0;
  rig = await createRig({
    session: {
      steps: [],
      reconnect: { minMs: 100_000, maxMs: 200_000 },
      open: async () => {
        if (++tries === 1) throw new CertificateNotYetValidError("the certificate is not valid yet");
        return closableLink(new AbortController(), 5);
      },
    },
  });
  rig.clock.setSynced(false);
  await rig.start();
  expect(rig.log.lines).toContain("warn cannot connect to the broker before the clock is set");
  await rig.clock.advance(10_000);
  expect(tries).toBe(1);
  rig.clock.setSynced(true);
  await rig.clock.advance(2_000);
  expect(tries).toBe(2);
});
