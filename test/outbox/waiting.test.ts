import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gap, type LogEntry, storedBytes } from "../../src/outbox/segments/segment-format.ts";
import { Waiting } from "../../src/outbox/young/waiting.ts";

const PAYLOAD_BYTES = 60;
const RECORD_BYTES = storedBytes(PAYLOAD_BYTES);

const isEvent = (payload: Uint8Array) => payload[0] === 1;

function record(seq: number, event: boolean): LogEntry {
  const payload = Buffer.alloc(PAYLOAD_BYTES, seq);
  payload[0] = event ? 1 : 0;
  return { kind: "record", fromSeq: seq, seq, wallMs: 0, payload };
}

/** What waits, as text: `1r 2e full3-4`. */
function told(waiting: Waiting): string {
  const parts: string[] = [];
  for (let first = waiting.first; first !== undefined; first = waiting.first) {
    const { kind, fromSeq, seq, payload } = first;
    parts.push(kind === "record" ? `${seq}${isEvent(payload) ? "e" : "r"}` : `${kind}${fromSeq}-${seq}`);
    waiting.shift();
  }
  return parts.join(" ");
}

function waitingWith(entries: readonly LogEntry[], room = Number.POSITIVE_INFINITY): Waiting {
  return new Waiting(room * RECORD_BYTES, entries, isEvent);
}

describe("what waits in memory", () => {
  test("makes one gap of a record that is shed and the gaps on both sides of it", () => {
    const waiting = waitingWith([
      gap("full", 1, 3),
      record(4, false),
      gap("full", 5, 9),
      record(10, true),
      gap("accounted", 11, 12),
    ]);
    const lost: number[] = [];
    waiting.shedReadings(({ seq }) => lost.push(seq));
    expect(lost).toEqual([4]);
    expect(told(waiting)).toBe("full1-9 10e accounted11-12");
  });

  test("leaves a gap of another kind apart", () => {
    const waiting = waitingWith([gap("accounted", 1, 3), record(4, false), gap("full", 5, 9)]);
    waiting.shedAll(() => {});
    expect(told(waiting)).toBe("accounted1-3 full4-9");
  });

  test("gives up the oldest readings first, and events only when no reading is left", () => {
    const entries = [record(1, true), record(2, false), record(3, true), record(4, false)];
    const shed = (room: number) => {
      const lost: number[] = [];
      waitingWith(entries, room).shed(({ seq }) => lost.push(seq));
      return lost;
    };
    expect(shed(3)).toEqual([2]);
    expect(shed(2)).toEqual([2, 4]);
    expect(shed(1)).toEqual([2, 4, 1]);
  });

  test("tells of every number once and in order, whatever is shed, settled, written or taken back", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("push" as const), event: fc.boolean() }),
      fc.record({ do: fc.constant("turnAway" as const) }),
      fc.record({ do: fc.constantFrom("shed" as const, "shedReadings" as const, "shedAll" as const) }),
      fc.record({ do: fc.constant("settle" as const), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ do: fc.constant("takeBack" as const), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ do: fc.constant("shift" as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (steps, room) => {
        const waiting = waitingWith([], room);
        let nextSeq = 1_000;
        /** Of each number that waits: `e`, `r`, or the kind of its gap. */
        const expected = new Map<number, string>();
        const written: LogEntry[] = [];
        const recordsOf = (kind: string) => [...expected].filter(([, is]) => is === kind).map(([seq]) => seq);
        const count = () => recordsOf("e").length + recordsOf("r").length;
        const lose = ({ seq }: LogEntry) => {
          const oldest = recordsOf("r")[0] ?? recordsOf("e")[0];
          if (lastStep !== "shedAll") expect(seq).toBe(oldest);
          expected.set(seq, "full");
        };
        let lastStep = "";
        for (const one of steps) {
          lastStep = one.do;
          switch (one.do) {
            case "push":
              waiting.push(record(nextSeq, one.event));
              expected.set(nextSeq++, one.event ? "e" : "r");
              break;
            case "turnAway":
              waiting.push(gap("full", nextSeq, nextSeq));
              expected.set(nextSeq++, "full");
              break;
            case "shed":
              waiting.shed(lose);
              expect(count()).toBeLessThanOrEqual(room);
              break;
            case "shedReadings":
              waiting.shedReadings(lose);
              expect(recordsOf("r")).toEqual([]);
              break;
            case "shedAll":
              waiting.shedAll(lose);
              expect(count()).toBe(0);
              break;
            case "settle": {
              const seq = [...recordsOf("e"), ...recordsOf("r")].sort((a, b) => a - b)[one.count - 1];
              if (seq === undefined) break;
              waiting.settle(seq);
              for (const [other, kind] of expected)
                if (other <= seq && (kind === "e" || kind === "r")) expected.set(other, "accounted");
              break;
            }
            case "shift": {
              const { first } = waiting;
              if (first === undefined) break;
              waiting.shift();
              written.push(first);
              for (let seq = first.fromSeq; seq <= first.seq; seq++) expected.delete(seq);
              break;
            }
            case "takeBack": {
              const back = written.splice(-one.count);
              waiting.unshift(back);
              const behind = [...expected];
              expected.clear();
              for (const { kind, fromSeq, seq, payload } of back)
                for (let each = fromSeq; each <= seq; each++)
                  expected.set(each, kind === "record" ? (isEvent(payload) ? "e" : "r") : kind);
              for (const [seq, kind] of behind) expected.set(seq, kind);
              break;
            }
          }
          expect(waiting.records).toBe(count());
          expect(waiting.payloadBytes).toBe(count() * PAYLOAD_BYTES);
        }
        const parts: string[] = [];
        for (const [seq, kind] of expected) {
          const before = /^([a-z]+)(\d+)-\d+$/.exec(parts.at(-1) ?? "");
          if (kind === "e" || kind === "r") parts.push(`${seq}${kind}`);
          else if (before?.[1] === kind) parts[parts.length - 1] = `${kind}${before[2]}-${seq}`;
          else parts.push(`${kind}${seq}-${seq}`);
        }
        expect(told(waiting)).toBe(parts.join(" "));
      }),
      { numRuns: 300 },
    );
  });
});
