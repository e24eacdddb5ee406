import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { formatServer, parseServer } from "../../../src/mqtt/broker/server.ts";
import { mqttSettings } from "../../../src/mqtt/broker/settings.ts";

/** What a wrong block is told: `path: message`. */
function complaints(input: unknown): readonly string[] {
  const result = v.safeParse(mqttSettings, input);
  return (result.issues ?? []).map((issue) => `${v.getDotPath(issue) ?? ""}: ${issue.message}`);
}

describe("mqtt settings", () => {
  test("a url is enough, the rest has the contract's defaults", () => {
    expect(v.parse(mqttSettings, { url: "mqtt://broker.example" })).toEqual({
      url: [{ scheme: "mqtt", host: "broker.example", port: 1883 }],
      version: "auto",
      convention: "fieldpost",
      will_delay: 0,
      keepalive: 25_000,
      session_expiry: 0,
      max_in_flight: 64,
      reconnect: { min: 1_000, max: 120_000 },
    });
  });

  test("a list of urls keeps its order", () => {
    const { url } = v.parse(mqttSettings, { url: ["mqtts://a", "wss://b/x?y=1", "ws://[::1]:8083"] });
    expect(url.map(formatServer)).toEqual(["mqtts://a:8883", "wss://b:8084/x?y=1", "ws://[::1]:8083/mqtt"]);
  });

  test("a version may be written as a number", () => {
    expect(v.parse(mqttSettings, { url: "mqtt://b", version: 5 }).version).toBe("5");
    expect(complaints({ url: "mqtt://b", version: 4 })).toEqual(["version: expected auto, 3.1.1 or 5"]);
  });

  test.each([
    ["http://broker", /starts with mqtt:/],
    ["broker:1883", /starts with mqtt:/],
    ["mqtt://broker:99999", /port from 1 to 65535/],
    ["mqtt://broker:0", /port 0/],
    ["mqtt://:1883", /not a URL|names no host/],
    ["mqtt://broker/path", /only with ws/],
    ["mqtt://node:hunter2@broker", /use mqtt.username and mqtt.password/],
  ])("%s is refused", (url, expected) => {
    expect(complaints({ url })).toEqual([expect.stringMatching(expected)]);
  });

  test("a refusal never repeats a password", () => {
    expect(complaints({ url: "mqtt://node:hunter2@broker" }).join()).not.toContain("hunter2");
  });

  test("each wrong url of a list is named by its place", () => {
    expect(complaints({ url: ["mqtt://ok", "nonsense"] })).toEqual([expect.stringMatching(/^url\.1: /)]);
    expect(complaints({ url: [] })).toEqual([expect.stringMatching(/^url: the list is empty/)]);
  });

  test.each([
    [{ tls: { ca: "ca.pem" } }, /^tls: has no effect/],
    [{ url: "mqtts://b", tls: { cert: "c.pem" } }, /^tls: cert and key belong together/],
    [{ password: "x" }, /^password: needs a username/],
    [{ reconnect: { min: "5m" } }, /^reconnect\.max: max must not be below min/],
    [{ topic_root: "a/#" }, /^topic_root: .*wildcards/],
    [{ topic_root: "/a" }, /^topic_root: .*empty level/],
    [{ topic_root: "$SYS/a" }, /^topic_root: .*belong to the broker/],
    [{ max_in_flight: 0 }, /^max_in_flight: must be at least 1/],
    [{ keepalive: "19h" }, /^keepalive: must be at most/],
  ])("%j is refused", (block, expected) => {
    expect(complaints({ url: "mqtt://b", ...block })).toEqual([expect.stringMatching(expected)]);
  });
});

describe("parseServer", () => {
  test("reads back what formatServer wrote", () => {
    for (const text of [
      "mqtt://h:1",
      "mqtts://[fe80::1]:8883",
      "ws://h:80/mqtt",
      "wss://h:8084/a/b?c=d",
      "mqtt+unix:///run/b.sock",
    ])
      expect(formatServer(parseServer(text))).toBe(text);
  });
});
