import { describe, expect, test } from "vitest";
import { topicMatches, topicsUnder } from "../../../src/mqtt/convention/topics.ts";

describe("topics", () => {
  const topics = topicsUnder("fieldpost/n1");

  test("are the contract's, under the root", () => {
    expect([
      topics.status,
      topics.about,
      topics.health,
      topics.telemetry("air"),
      topics.event("boot"),
      topics.state("pump"),
      topics.fault("air"),
      topics.command("pump"),
      topics.result("node"),
    ]).toEqual([
      "fieldpost/n1/status",
      "fieldpost/n1/about",
      "fieldpost/n1/health",
      "fieldpost/n1/telemetry/air",
      "fieldpost/n1/event/boot",
      "fieldpost/n1/state/pump",
      "fieldpost/n1/fault/air",
      "fieldpost/n1/command/pump",
      "fieldpost/n1/result/node",
    ]);
  });

  test("a command's target is read back from its topic", () => {
    expect(topics.commandTarget(topics.command("pump"))).toBe("pump");
    expect(topicMatches(topics.commands, topics.command("pump"))).toBe(true);
    for (const other of [topics.state("pump"), "fieldpost/n1/command/", "fieldpost/n1/command/a/b"])
      expect(topics.commandTarget(other)).toBeUndefined();
  });
});

describe("topicMatches", () => {
  // The examples of MQTT 5, sections 4.7.1 and 4.7.2.
  test.each([
    ["sport/tennis/player1/#", "sport/tennis/player1", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
    ["sport/#", "sport", true],
    ["#", "a/b", true],
    ["sport/tennis/+", "sport/tennis/player1", true],
    ["sport/tennis/+", "sport/tennis/player1/ranking", false],
    ["sport/+", "sport", false],
    ["sport/+", "sport/", true],
    ["+/+", "/finance", true],
    ["/+", "/finance", true],
    ["+", "/finance", false],
    ["#", "$SYS/uptime", false],
    ["+/monitor/Clients", "$SYS/monitor/Clients", false],
    ["$SYS/#", "$SYS/monitor/Clients", true],
    ["a/b", "a/b", true],
    ["a/b", "a/b/c", false],
  ])("%s and %s: %s", (filter, topic, matches) => {
    expect(topicMatches(filter, topic)).toBe(matches);
  });
});
