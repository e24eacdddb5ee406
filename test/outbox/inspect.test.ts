import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { inspectOutbox } from "../../src/outbox/inspect.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { LogReader } from "../../src/outbox/segments/log-reader.ts";
import { survey } from "../../src/outbox/segments/survey.ts";
import { faultyFiles } from "./faulty-files.ts";
import { FOLDER, fill, nameOf, numbers, Rig, TAIL } from "./rig.ts";

describe("looking into an outbox", () => {
  test("shows what a running node has stored, without changing anything", async () => {
    const rig = new Rig();
    const outbox = await rig.open();
    fill(outbox, 70);
    outbox.ack(50);
    const watching = faultyFiles(rig.disk.mount());
    watching.fault = (operation) =>
      operation === "write" || operation === "remove" || operation === "rename" ? "EROFS" : undefined;
    const inspection = inspectOutbox(FOLDER, watching);
    const { depth, depthBytes, oldestWallMs, diskBytes, stored } = outbox.status();
    expect(stored.records).toBe(70);
    expect(inspection).toMatchObject({
      stream: outbox.opening.stream,
      run: 1,
      ownerPid: Number.parseInt(rig.mount.processes.self, 10),
      depth,
      depthBytes,
      oldestWallMs,
      diskBytes,
      stored,
      ackedSeq: 50,
      lastSeq: 70,
      damaged: [],
    });
    expect([...inspection.entries("unacknowledged")].map(nameOf)).toEqual(numbers(51, 70).map(String));
    const all = [...inspection.entries("all")];
    expect(all.map(({ seq }) => seq)).toEqual(numbers(1, 70));
    expect(all.filter(({ acknowledged }) => acknowledged)).toHaveLength(50);
    expect([...inspection.entries("all", 60)].map(({ seq }) => seq)).toEqual(numbers(60, 70));
  });

  test("says how much room records take on disk: less where they came there together", async () => {
    const room = async (options: { tail?: string }) => {
      const rig = new Rig(options);
      const outbox = await rig.open();
      for (let second = 0; second < 3; second++) {
        fill(outbox, 20);
        await rig.clock.advance(1_000);
      }
      const { records, payloadBytes, bytes } = outbox.status().stored;
      expect(inspectOutbox(FOLDER, rig.mount, options.tail).stored).toEqual({ records, payloadBytes, bytes });
      expect(records).toBe(60);
      return bytes / payloadBytes;
    };
    expect(await room({})).toBeGreaterThan(1);
    expect(await room({ tail: TAIL })).toBeLessThan(0.8);
  });

  test("works where no node runs", async () => {
    const rig = new Rig();
    const outbox = await rig.open();
    fill(outbox, 5);
    await outbox.close();
    const inspection = inspectOutbox(FOLDER, rig.mount);
    expect(inspection.ownerPid).toBeUndefined();
    expect([...inspection.entries("unacknowledged")]).toHaveLength(5);
  });

  test("knows the youngest number where all was delivered from the tail and none is on disk", async () => {
    const rig = new Rig({ tail: TAIL });
    const outbox = await rig.open();
    fill(outbox, 5);
    outbox.ack(5);
    await outbox.close();
    expect(inspectOutbox(FOLDER, rig.mount, TAIL)).toMatchObject({ depth: 0, ackedSeq: 5, lastSeq: 5 });
  });

  test("shows nothing wrong while a node recycles what is looked at", async () => {
    const rig = new Rig();
    const outbox = await rig.open();
    fill(outbox, 160);
    const seen: number[] = [];
    for (const entry of inspectOutbox(FOLDER, rig.mount).entries("all")) {
      expect(nameOf(entry)).toBe(String(entry.seq));
      seen.push(entry.seq);
      fill(outbox, 3);
    }
    expect(seen.length).toBeGreaterThan(0);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  test("shows an empty folder as empty, and says where there is none", () => {
    const rig = new Rig();
    rig.mount.makeFolder(FOLDER);
    expect(inspectOutbox(FOLDER, rig.mount)).toMatchObject({
      stream: undefined,
      run: 0,
      depth: 0,
      lastSeq: 0,
    });
    expect(() => inspectOutbox("/elsewhere", rig.mount)).toThrow("ENOENT");
  });

  test("shows what was acknowledged while the tail could not be written, though that knows less", async () => {
    let isRefused = false;
    const rig = new Rig({ tail: TAIL }, (files) => {
      const layer = faultyFiles(files);
      layer.fault = (operation, path, _at, _bytes, mode) =>
        isRefused && operation === "open" && mode !== "read" && path.startsWith(TAIL) ? "EACCES" : undefined;
      return layer;
    });
    fill(await rig.open(), 20);
    rig.kill();
    isRefused = true;
    const second = await rig.open();
    expect(second.status().tailFault).toContain("EACCES");
    second.ack(15);
    const { depth } = second.status();
    expect(depth).toBe(5);
    expect(inspectOutbox(FOLDER, rig.mount, TAIL)).toMatchObject({ depth, ackedSeq: 15 });
  });

  test("names what cannot be read", async () => {
    const rig = new Rig();
    const outbox = await rig.open();
    fill(outbox, 5);
    await outbox.close();
    rig.edit("00000001.seg", (bytes) => bytes.fill(1));
    expect(inspectOutbox(FOLDER, rig.mount).damaged).toEqual(["00000001.seg"]);
  });
});

/** Readings of two sensors in turns, and now and then an event. */
const seriesOf = (record: Uint8Array) => {
  const seq = Number.parseInt(Buffer.from(record).toString(), 10);
  return seq % 10 === 0 ? undefined : String(seq % 2);
};

/** Appends records as fast as they are synced. */
async function fillSynced(outbox: Outbox, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 20) {
    fill(outbox, Math.min(left, 20));
    await outbox.sync();
  }
}

/** How many numbers beyond the acknowledged one were given up among records that are there. */
function holesBeyond(ackedSeq: number, files: FileLayer): number {
  let holes = 0;
  const reader = new LogReader(files, survey(files, FOLDER).segments, (kind, fromSeq, toSeq) => {
    if (kind === "thinned" || kind === "displaced") holes += toSeq - fromSeq + 1;
  });
  reader.seek(ackedSeq + 1);
  while (reader.next() !== undefined);
  reader.close();
  return holes;
}

describe("looking into an outbox that has given up readings among others", () => {
  const few = fc.integer({ min: 1, max: 200 });
  const histories = fc.record({
    whenFull: fc.constantFrom("thin" as const, "drop_oldest" as const),
    tail: fc.constantFrom(undefined, TAIL),
    steps: fc.array(
      fc.tuple(
        fc.constantFrom(
          "append" as const,
          "append" as const,
          "ahead" as const,
          "ack" as const,
          "end" as const,
          "kill" as const,
        ),
        few,
      ),
      { minLength: 6, maxLength: 20, size: "max" },
    ),
  });

  test("counts what waits, and what was given up, as a reader of it all would", {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(histories, async ({ whenFull, tail, steps }) => {
        const sizes = { segmentBytes: 4096, maxSizeBytes: 20 * 1024 + 8 * 4096 };
        const rig = new Rig({ whenFull, tail, ...sizes }, undefined, seriesOf);
        let outbox = await rig.open();
        await fillSynced(outbox, 500);
        for (const [what, count] of steps) {
          if (what === "append") await fillSynced(outbox, count);
          else if (what === "ahead") {
            const lastSeq = outbox.status().nextSeq - 1;
            if (outbox.canAckAhead()) outbox.ackAhead(lastSeq - Math.floor(count / 4), lastSeq);
          } else if (what === "ack") {
            const page = outbox.peek(1, count);
            if (page.length > 0) outbox.ack(page.at(-1)!.seq);
            for (const _ of outbox.takeDrops()) fill(outbox, 1);
          } else {
            if (what === "end") await outbox.close();
            else rig.kill();
            outbox = await rig.open();
          }
          // What is written anew beforehand counts from when it is there, and the node takes it when it is on flash.
          await rig.clock.advance(100);
          const inspection = inspectOutbox(FOLDER, rig.mount, tail);
          const { depth, depthBytes, oldestWallMs, diskBytes, givenUp } = inspection;
          expect(outbox.status()).toMatchObject({ depth, depthBytes, oldestWallMs, diskBytes, givenUp });
          const entries = [...inspection.entries("unacknowledged")];
          expect(depth).toBe(entries.length);
          expect(depthBytes).toBe(entries.reduce((sum, { record }) => sum + record.length, 0));
          expect(oldestWallMs).toBe(entries[0]?.wallMs);
          expect(givenUp).toBe(holesBeyond(inspection.ackedSeq, rig.mount));
        }
      }),
      { numRuns: 20 },
    );
  });

  test("shows each record once and rightly, and counts nothing twice, while a node rewrites what is looked at", {
    timeout: 60_000,
  }, async () => {
    const looks = fc.record({
      whenFull: fc.constantFrom("thin" as const, "drop_oldest" as const),
      before: fc.integer({ min: 200, max: 900 }),
      acknowledged: fc.nat(100),
      meanwhile: fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 150 })), {
        minLength: 1,
        maxLength: 6,
      }),
    });
    await fc.assert(
      fc.asyncProperty(looks, async ({ whenFull, before, acknowledged, meanwhile }) => {
        const sizes = { segmentBytes: 4096, maxSizeBytes: 20 * 1024 + 8 * 4096 };
        // What is written anew is on flash: here everything is at once.
        const rig = new Rig({ whenFull, syncAfterMs: 0, ...sizes }, undefined, seriesOf);
        const outbox = await rig.open();
        fill(outbox, before);
        outbox.ack(acknowledged);
        const watching = faultyFiles(rig.disk.mount());
        const opens = new Map(meanwhile);
        const depths = [outbox.status().depth];
        watching.fault = (operation) => {
          const count =
            operation === "open"
              ? opens.get(watching.calls.filter((call) => call.operation === "open").length)
              : undefined;
          if (count !== undefined) {
            for (let left = count; left > 0; left--) {
              fill(outbox, 1);
              depths.push(outbox.status().depth);
            }
          }
          return undefined;
        };
        const inspection = inspectOutbox(FOLDER, watching);
        expect(inspection.depth).toBeGreaterThanOrEqual(Math.min(...depths));
        expect(inspection.depth).toBeLessThanOrEqual(Math.max(...depths));
        expect(inspection.givenUp).toBeGreaterThanOrEqual(0);
        const seen = [...inspection.entries("all")];
        expect(seen.filter((entry) => nameOf(entry) !== String(entry.seq))).toEqual([]);
        const seqs = seen.map(({ seq }) => seq);
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
      }),
      { numRuns: 40 },
    );
  });
});
