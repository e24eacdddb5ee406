import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Log, silentLog } from "../../../src/log.ts";
import { type Journal, openJournal } from "../../../src/mqtt/downlink/journal.ts";
import type { CommandOutcome } from "../../../src/mqtt/downlink/judge.ts";
import { journalFileOn } from "../../../src/node/state-file.ts";
import { nodeFiles } from "../../../src/outbox/files/node.ts";
import { MemoryJournalFile } from "./journal-memory.ts";

const DONE: CommandOutcome = { status: "done", state: "on" };
const INTERRUPTED = { status: "failed", error: expect.stringMatching(/^interrupted/) };

const open = (file: MemoryJournalFile, minIds?: number, log: Log = silentLog) =>
  openJournal({ file, log, ...(minIds !== undefined && { minIds }) });

async function carryOut(journal: Journal, id: string, outcome = DONE): Promise<void> {
  await journal.begin(id);
  await journal.finish(id, outcome);
}

describe("the next process", () => {
  test("knows what became of every command", async () => {
    const file = new MemoryJournalFile();
    const first = await open(file);
    await carryOut(first, "a", DONE);
    await first.finish("b", { status: "rejected", state: "off", error: "min_off" });
    const second = await open(file);
    expect(second.outcome("a")).toEqual(DONE);
    expect(second.outcome("b")).toEqual({ status: "rejected", state: "off", error: "min_off" });
    expect(second.outcome("c")).toBeUndefined();
  });

  test("knows that a command was interrupted", async () => {
    const file = new MemoryJournalFile();
    const first = await open(file);
    await first.begin("a");
    expect(first.outcome("a")).toBe("running");
    expect((await open(file)).outcome("a")).toEqual(INTERRUPTED);
  });

  test("finds every whole line in a file torn anywhere", async () => {
    const file = new MemoryJournalFile();
    const first = await open(file);
    for (const id of ["a", "b", "c"]) await carryOut(first, id);
    const whole = file.bytes;
    for (let length = 0; length < whole.length; length++) {
      const torn = new MemoryJournalFile();
      torn.bytes = whole.subarray(0, length);
      const lineCount = Buffer.from(torn.bytes).toString().split("\n").length - 1;
      const second = await open(torn);
      const known = ["a", "b", "c"].map((id) => second.outcome(id));
      const expected = [0, 2, 4].map((before) =>
        lineCount > before + 1 ? DONE : lineCount > before ? INTERRUPTED : undefined,
      );
      expect(known).toEqual(expected);
      await carryOut(second, "d");
      expect((await open(torn)).outcome("d")).toEqual(DONE);
    }
  });

  test("loses only what damage hit, says so, and starts", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const file = new MemoryJournalFile();
        const first = await open(file);
        for (let n = 0; n < 10; n++) await first.finish(`id${n}`, DONE);
        const bytes = Uint8Array.from(file.bytes);
        const place = at % bytes.length;
        bytes[place] = bytes[place]! ^ mask;
        file.bytes = bytes;
        const second = await open(file);
        const known = Array.from({ length: 10 }, (_, n) => second.outcome(`id${n}`)).filter(Boolean);
        expect(known.length).toBeGreaterThanOrEqual(8);
        for (const outcome of known) expect(outcome).toEqual(DONE);
      }),
      { numRuns: 300 },
    );
  });

  test("starts on bytes of any kind", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const file = new MemoryJournalFile();
        file.bytes = bytes;
        await carryOut(await open(file), "a");
        expect((await open(file)).outcome("a")).toEqual(DONE);
      }),
    );
  });

  test("starts where the file cannot be read, and does not write over it", async () => {
    const file = new MemoryJournalFile();
    await carryOut(await open(file), "a");
    file.bytes = Buffer.concat([file.bytes, Buffer.from("torn")]);
    file.unreadable = true;
    await carryOut(await open(file), "b");
    file.unreadable = false;
    const third = await open(file);
    expect([third.outcome("a"), third.outcome("b")]).toEqual([DONE, DONE]);
  });

  test("hears of damage in the middle, not of a torn tail", async () => {
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (message) => warnings.push(message) };
    const file = new MemoryJournalFile();
    await carryOut(await open(file), "a");
    file.bytes = file.bytes.subarray(0, file.bytes.length - 3);
    await open(file, undefined, log);
    expect(warnings).toEqual([]);
    file.bytes = Buffer.concat([Buffer.from("x"), file.bytes, Buffer.from("\n")]);
    await open(file, undefined, log);
    expect(warnings).toHaveLength(1);
  });
});

describe("a disk that refuses", () => {
  test("makes begin reject, and the id is as if it had never come", async () => {
    const file = new MemoryJournalFile();
    const journal = await open(file);
    file.refusesAfterBytes = 5;
    await expect(journal.begin("a")).rejects.toThrow("ENOSPC");
    expect(journal.outcome("a")).toBeUndefined();
  });

  test("costs an outcome its durability, not its memory", async () => {
    const file = new MemoryJournalFile();
    const journal = await open(file);
    await journal.begin("a");
    file.refusesAfterBytes = 0;
    await expect(journal.finish("a", DONE)).rejects.toThrow("ENOSPC");
    expect(journal.outcome("a")).toEqual(DONE);
    expect((await open(file)).outcome("a")).toEqual(INTERRUPTED);
  });

  test("leaves nothing behind once it takes writes again", async () => {
    const file = new MemoryJournalFile();
    const journal = await open(file);
    await carryOut(journal, "a");
    file.refusesAfterBytes = 7;
    await expect(journal.begin("b")).rejects.toThrow();
    await expect(journal.begin("c")).rejects.toThrow();
    file.refusesAfterBytes = undefined;
    await journal.begin("d");
    const next = await open(file);
    const known = ["a", "b", "c", "d"].map((id) => next.outcome(id));
    expect(known).toEqual([DONE, undefined, undefined, INTERRUPTED]);
  });
});

describe("size", () => {
  test("the last ids are remembered, older ones forgotten, and the file stays small", async () => {
    const file = new MemoryJournalFile();
    const journal = await open(file, 100);
    for (let n = 0; n < 1_000; n++) await carryOut(journal, `id${n}`);
    const next = await open(file, 100);
    expect(next.outcome("id899")).toBeUndefined();
    for (let n = 900; n < 1_000; n++) expect(next.outcome(`id${n}`)).toEqual(DONE);
    expect(Buffer.from(file.bytes).toString().split("\n").length).toBeLessThanOrEqual(401);
    expect(file.replaces).toBeLessThan(10);
  });

  test("remembers 1000 ids unless told otherwise", async () => {
    const file = new MemoryJournalFile();
    const journal = await open(file);
    for (let n = 0; n < 1_500; n++) await journal.finish(`id${n}`, DONE);
    expect(journal.outcome("id500")).toEqual(DONE);
  });

  test("a long error is cut", async () => {
    const journal = await open(new MemoryJournalFile());
    await journal.finish("a", { status: "failed", error: "x".repeat(10_000) });
    expect(journal.outcome("a")).toEqual({ status: "failed", error: "x".repeat(256) });
  });
});

test("commands that come together share one write", async () => {
  const file = new MemoryJournalFile();
  const journal = await open(file);
  await Promise.all(Array.from({ length: 50 }, (_, n) => journal.begin(`id${n}`)));
  expect(file.appends).toBeLessThanOrEqual(2);
});

test("on a real disk a torn file is mended and replaced in one step", async () => {
  const folder = await mkdtemp(join(tmpdir(), "journal-"));
  const path = join(folder, "commands.journal");
  const first = await openJournal({ file: journalFileOn(nodeFiles(), path), log: silentLog });
  await carryOut(first, "a");
  await carryOut(first, "b");
  await first.close();
  expect((await readFile(path, "utf8")).split("\n")).toHaveLength(5);
  await truncate(path, (await readFile(path)).length - 4);
  const second = await openJournal({ file: journalFileOn(nodeFiles(), path), log: silentLog });
  expect([second.outcome("a"), second.outcome("b")]).toEqual([DONE, INTERRUPTED]);
  await carryOut(second, "c");
  await second.close();
  expect(await readdir(folder)).toEqual(["commands.journal"]);
  const third = await openJournal({ file: journalFileOn(nodeFiles(), path), log: silentLog });
  expect(["a", "b", "c"].map((id) => third.outcome(id))).toEqual([DONE, INTERRUPTED, DONE]);
  await third.close();
  await writeFile(path, "");
  expect(
    (await openJournal({ file: journalFileOn(nodeFiles(), path), log: silentLog })).outcome("a"),
  ).toBeUndefined();
  await rm(folder, { recursive: true });
});
