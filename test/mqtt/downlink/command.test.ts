import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseActuatorCommand, parseNodeCommand } from "../../../src/mqtt/downlink/command.ts";

const parse = (text: string) => parseActuatorCommand(Buffer.from(text));
const parseNode = (text: string) => parseNodeCommand(Buffer.from(text));

describe("a plain command", () => {
  test.each([
    ["on", "on"],
    ["off", "off"],
    ["toggle", "toggle"],
    ["on\n", "on"],
    ["50", 50],
    ["-1.5", -1.5],
    ["0", 0],
  ])("%j sets %j", (text, set) => {
    expect(parse(text)).toEqual({ set });
  });

  test.each([
    "ON",
    "true",
    "1e3",
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "on off",
    '"on"',
    "null",
    "1,5",
    "9".repeat(21),
  ])("%j is none", (text) => {
    expect(parse(text)).toEqual({
      malformed: "expected on, off, toggle, a number, a JSON object or a list of steps",
    });
  });
});

describe("a JSON command", () => {
  test("says everything at once", () => {
    const text = '{"id":"a1","set":"on","for":"30s","issued":"2026-11-23T00:44:20.5+01:00","max_age":"10s"}';
    expect(parse(text)).toEqual({
      id: "a1",
      set: "on",
      forMs: 30_000,
      issuedMs: Date.UTC(2026, 10, 22, 23, 44, 20, 500),
      maxAgeMs: 10_000,
    });
  });

  test.each([
    ['{"id":"a1"}', "set is missing"],
    ['{"id":"a1","set":true}', "set: expected on, off, toggle, a number or a list of steps"],
    ['{"id":"a1","set":"ON"}', "set: expected on, off, toggle, a number or a list of steps"],
    ['{"id":"a1","set":1e999}', "set: expected on, off, toggle, a number or a list of steps"],
    ['{"id":"a1","set":null}', "set: expected on, off, toggle, a number or a list of steps"],
    ['{"id":"a1","set":["on"]}', 'step 1: expected {"set":"on","for":"2s"}'],
    ['{"id":"a1","set":[{"set":"on"}],"for":"1s"}', "for: each step of a sequence has its own"],
    ['{"id":"a1","set":"on","for":30}', "for: expected a duration such as 30s"],
    ['{"id":"a1","set":"on","for":"0s"}', "for: expected a duration such as 30s"],
    ['{"id":"a1","set":"on","for":null}', "for: expected a duration such as 30s"],
    ['{"id":"a1","set":"on","max_age":"10s"}', "max_age needs issued beside it"],
    [
      '{"id":"a1","set":"on","issued":"2026-11-23 00:44"}',
      "issued: expected a time such as 2026-11-23T00:44:20Z",
    ],
    [
      '{"id":"a1","set":"on","issued":"2026-13-45T00:00:00Z"}',
      "issued: expected a time such as 2026-11-23T00:44:20Z",
    ],
    ['{"id":"a1","set":"on","issued":1763858660}', "issued: expected a time such as 2026-11-23T00:44:20Z"],
    ['{"id":"a1","set":"on","force":true}', 'unknown key "force": expected id, set, for, issued, max_age'],
    [
      '{"id":"a1","set":"on","__proto__":{"for":"1s"}}',
      'unknown key "__proto__": expected id, set, for, issued, max_age',
    ],
  ])("%s is refused with its id", (text, malformed) => {
    expect(parse(text)).toEqual({ id: "a1", malformed });
  });

  test.each([
    '{"id":"","set":"on"}',
    '{"id":7,"set":"on"}',
    '{"id":"a\\n","set":"on"}',
    '{"id":"ä","set":"on"}',
    JSON.stringify({ id: "a".repeat(129), set: "on" }),
  ])("%s has no id to answer to", (text) => {
    expect(parse(text)).toEqual({ malformed: "id: expected 1 to 128 printable ASCII characters" });
  });

  test("pollutes nothing", () => {
    parse('{"__proto__":{"set":"on"},"constructor":{"prototype":{"set":"on"}}}');
    expect(({} as Record<string, unknown>)["set"]).toBeUndefined();
    expect(parse('{"__proto__":{"set":"on","id":"a"}}')).toHaveProperty("malformed");
  });

  test("however deep it nests, it is only refused", () => {
    expect(parse(`{"set":${"[".repeat(60_000)}`)).toHaveProperty("malformed");
    const deep = `${'{"a":'.repeat(8_000)}1${"}".repeat(8_000)}`;
    expect(parse(`{"id":"a1","set":${deep}}`)).toMatchObject({ id: "a1", malformed: expect.any(String) });
  });
});

describe("bytes", () => {
  test("that are not UTF-8 are refused", () => {
    expect(parseActuatorCommand(Uint8Array.of(0x6f, 0x6e, 0xff))).toEqual({ malformed: "not UTF-8" });
  });

  test("up to 64 KiB are read, one more is not", () => {
    const padded = (bytes: number) => Buffer.from("on".padEnd(bytes));
    expect(parseActuatorCommand(padded(65_536))).toEqual({ set: "on" });
    expect(parseActuatorCommand(padded(65_537))).toEqual({ malformed: "larger than 65536 bytes" });
  });

  test("of any kind never throw", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(Buffer.from)), (payload) => {
        for (const command of [parseActuatorCommand(payload), parseNodeCommand(payload)])
          expect("malformed" in command || "set" in command || "do" in command).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a command to the node", () => {
  test("names what to do", () => {
    expect(parseNode('{"id":"a1","do":"restart"}')).toEqual({ id: "a1", do: "restart" });
    expect(parseNode('{"do":"resend","from_seq":3,"to_seq":9}')).toEqual({
      do: "resend",
      fromSeq: 3,
      toSeq: 9,
    });
  });

  test.each([
    '{"do":"explode"}',
    '{"do":"constructor"}',
    '{"do":"sample","from_seq":1}',
    '{"do":"resend","from_seq":9,"to_seq":3}',
    '{"do":"resend","from_seq":0,"to_seq":3}',
    '{"do":"resend","from_seq":"1","to_seq":3}',
    '{"do":"sample","set":"on"}',
    "sample",
    "{}",
  ])("%s is none", (text) => {
    expect(parseNode(text)).toHaveProperty("malformed");
  });
});

test.each(["open", "close", "stop"])("%s is a command, plain, in JSON and in a sequence", (word) => {
  expect(parse(word)).toEqual({ set: word });
  expect(parse(`{"set":"${word}"}`)).toEqual({ set: word });
  expect(parse(`[{"set":"${word}"}]`)).toEqual({ set: [{ set: word }] });
});
