import fc from "fast-check";
import { expect, test } from "vitest";
import { howMany, SEED } from "../../exhaustive.ts";
import { NodeEnd } from "./node-end.ts";

const START_MS = Date.UTC(2026, 10, 23);
const PINS: Readonly<Record<string, number>> = { pump: 5, fan: 6 };

interface Shot {
  readonly target: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly afterMs: number;
  readonly restart: boolean;
  readonly responseTopic?: string;
}

const time = fc
  .integer({ min: -200_000, max: 200_000 })
  .map((offsetMs) => new Date(START_MS + offsetMs).toISOString());
const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom("", "10", "1y", "-5s", Number.NaN, 1e300),
);
const key = fc.constantFrom(
  "id",
  "set",
  "for",
  "issued",
  "max_age",
  "do",
  "__proto__",
  "constructor",
  "Set",
  "",
);

/** Mostly right: ids repeat, times lie around now. */
const valid = fc.record(
  {
    id: fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"),
    set: fc.constantFrom("on", "off", "toggle"),
    for: fc.constantFrom("5s", "1m"),
    issued: time,
    max_age: fc.constantFrom("5s", "1m", "1h"),
  },
  { requiredKeys: ["set"] },
);
const nearValid = fc
  .tuple(valid, fc.array(fc.tuple(key, junk), { maxLength: 2 }))
  .map(([command, changes]) => {
    const members = new Map<string, unknown>([...Object.entries(command), ...changes]);
    return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? null}`).join(",")}}`;
  });
const mutilated = fc.tuple(nearValid, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([text, at, byte]) => {
  const bytes = Buffer.from(text);
  bytes[at % bytes.length] = byte;
  return bytes;
});

const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 5, arbitrary: valid.map((command) => Buffer.from(JSON.stringify(command))) },
  { weight: 3, arbitrary: nearValid.map((text) => Buffer.from(text)) },
  { weight: 2, arbitrary: mutilated },
  {
    weight: 2,
    arbitrary: fc.constantFrom("on", "off", "toggle", "1", "ON", " on ", "on\0").map(Buffer.from),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 3 }).map(Buffer.from) },
);

const shot: fc.Arbitrary<Shot> = fc.record(
  {
    target: fc.constantFrom("pump", "pump", "fan", "node", "ghost", "__proto__"),
    payload,
    retain: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    afterMs: fc.constantFrom(0, 0, 100, 10_000),
    restart: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
    responseTopic: fc.constantFrom("app/x", "#", "fieldpost/gh1/command/pump", ""),
  },
  { requiredKeys: ["target", "payload", "retain", "afterMs", "restart"] },
);

function textIn(payload: Uint8Array): string | undefined {
  const text = Buffer.from(payload).toString("utf8");
  return Buffer.from(text).equals(Buffer.from(payload)) ? text : undefined;
}

function objectIn(payload: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(textIn(payload)?.trim() ?? "");
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** NaN where it is no time; so are the comparisons with it. */
function instantMs(value: unknown): number {
  return /^\d{4}(-\d\d){2}T\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(value))
    ? Date.parse(value as string)
    : Number.NaN;
}

function spanMs(value: unknown): number {
  const match = typeof value === "string" && /^(\d+)(s|m|h|d)$/.exec(value);
  return match ? Number(match[1]) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[match[2] as "s"] : Number.NaN;
}

/** What the contract lets a message do, worked out without any of the program's code. */
function permitted(
  { target, payload, retain }: Shot,
  nowMs: number,
  used: ReadonlySet<string>,
  wasOn: boolean,
): { readonly on: boolean } | undefined {
  if (!(target in PINS) || retain || payload.length > 65_536) return undefined;
  const word = textIn(payload)?.trim() ?? "";
  if (/^(on|off|toggle)$/.test(word)) return { on: word === "on" || (word === "toggle" && !wasOn) };
  const command = objectIn(payload);
  if (!command) return undefined;
  const { id, set, for: lasts, issued, max_age: maxAge, ...strange } = command;
  if (Object.keys(strange).length > 0 || Object.hasOwn(command, "__proto__")) return undefined;
  if (set !== "on" && set !== "off" && set !== "toggle") return undefined;
  const on = set === "on" || (set === "toggle" && !wasOn);
  if (lasts !== undefined && (!(spanMs(lasts) > 0) || !on)) return undefined;
  if (id !== undefined && (typeof id !== "string" || !/^[ -~]{1,128}$/.test(id) || used.has(id)))
    return undefined;
  if (issued !== undefined && !(instantMs(issued) <= nowMs + 60_000)) return undefined;
  if (maxAge !== undefined && !(nowMs - instantMs(issued) <= spanMs(maxAge))) return undefined;
  return { on };
}

test("whatever is sent, only what the contract permits moves an output", async () => {
  let sent = 0;
  let moved = 0;
  const property = fc.asyncProperty(fc.array(shot, { minLength: 50, maxLength: 60 }), async (shots) => {
    const actuators = Object.entries(PINS).map(([id, pin]) => ({ id, pin }));
    const end = await NodeEnd.start({ actuators });
    const used = new Set<string>();
    for (const each of shots) {
      await end.clock.advance(each.afterMs);
      if (each.restart) await end.restart();
      const before = new Map(end.relays.loads);
      const { target, payload, retain, responseTopic } = each;
      const may = permitted(each, end.clock.wallMs(), used, before.get(PINS[target]!) === 1);
      await end.send(target, payload, {
        retain,
        ...(responseTopic !== undefined && { responseTopic }),
      });
      const id = objectIn(payload)?.["id"];
      if (typeof id === "string") used.add(id);
      for (const [actuator, pin] of Object.entries(PINS)) {
        const was = before.get(pin);
        const expected = may && actuator === target ? Number(may.on) : was;
        expect(end.relays.loads.get(pin), `${actuator} after ${Buffer.from(payload)}`).toBe(expected);
        if (end.relays.loads.get(pin) !== was) moved++;
      }
      sent++;
    }
    expect(
      end.published.every(({ topic }) => topic === "app/x" || topic.startsWith("fieldpost/gh1/result/")),
    ).toBe(true);
  });
  await fc.assert(property, { seed: SEED, numRuns: howMany(70, 220) });
  expect(sent).toBeGreaterThanOrEqual(howMany(3_000, 10_000));
  expect(moved).toBeGreaterThan(sent / 50);
});
