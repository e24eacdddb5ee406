import { describe, expect, test } from "vitest";
import { inspectOutbox } from "../../src/outbox/inspect.ts";
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

  test("names what cannot be read", async () => {
    const rig = new Rig();
    const outbox = await rig.open();
    fill(outbox, 5);
    await outbox.close();
    rig.edit("00000001.seg", (bytes) => bytes.fill(1));
    expect(inspectOutbox(FOLDER, rig.mount).damaged).toEqual(["00000001.seg"]);
  });
});
