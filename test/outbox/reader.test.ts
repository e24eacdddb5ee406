import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { inspectOutbox } from "../../src/outbox/inspect.ts";
import { type OutboxOptions, openOutbox } from "../../src/outbox/open.ts";
import { fill, numbers, SMALL } from "./rig.ts";

const READER = fileURLToPath(new URL("reader.py", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "fieldpost-reader-"));
afterAll(() => rmSync(root, { recursive: true }));

interface Line {
  readonly kind: number;
  readonly from: number;
  readonly seq: number;
  readonly time: number;
  readonly acknowledged: boolean;
  readonly payload: string;
}

function readWithPython(folder: string, ...tail: string[]): Line[] {
  const lines = execFileSync("python3", [READER, folder, ...tail], { encoding: "utf8", maxBuffer: 1 << 26 });
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

function hasPython(): boolean {
  try {
    execFileSync("python3", ["--version"]);
    return true;
  } catch {
    return false;
  }
}

/** What our own reader shows, in the same words. */
function readOurselves(folder: string, tail?: string): Partial<Line>[] {
  return [...inspectOutbox(folder, nodeFiles(), tail).entries("all")].map(
    ({ seq, wallMs, acknowledged, record }) => ({
      seq,
      time: wallMs,
      acknowledged,
      payload: Buffer.from(record).toString("hex"),
    }),
  );
}

const records = (lines: readonly Line[]) =>
  lines
    .filter(({ kind }) => kind === 0)
    .map(({ seq, time, acknowledged, payload }) => ({ seq, time, acknowledged, payload }));

function open(path: string, options: Partial<OutboxOptions> = {}) {
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 5) });
  return openOutbox(
    { ...SMALL, path, whenFull: "drop_newest", ...options },
    { files: nodeFiles(), clock, random: Math.random },
  );
}

describe("a reader in Python, written from FORMAT.md", () => {
  // On a machine without Python this one name says what was not tried.
  if (!hasPython()) {
    test("was not tried: there is no python3 here", () => expect(process.env.CI).toBeUndefined());
    return;
  }

  test("sees what our own sees: recycled segments, gaps, acknowledged records", async () => {
    const folder = join(root, "mixed");
    const outbox = await open(folder);
    fill(outbox, 120);
    outbox.ack(100);
    fill(outbox, 200);
    outbox.ack(150);
    fill(outbox, 2);
    await outbox.close();
    const lines = readWithPython(folder);
    expect(records(lines)).toEqual(readOurselves(folder));
    expect(lines.filter(({ kind }) => kind === 2)).toHaveLength(1);
    const told = lines.flatMap(({ from, seq }) => numbers(from, seq));
    expect(told).toEqual(numbers(told[0]!, 322));
    expect(lines.filter(({ acknowledged }) => acknowledged).at(-1)?.seq).toBe(150);
  });

  test("passes over damage as ours does", async () => {
    const whole = join(root, "whole");
    const outbox = await open(whole);
    fill(outbox, 100);
    await outbox.close();
    for (const at of [64 + 500 + 3, 64 + 700 + 4, 64 + 900 + 50, 4000]) {
      const folder = join(root, `damaged-${at}`);
      cpSync(whole, folder, { recursive: true });
      const segment = join(folder, "00000001.seg");
      const bytes = readFileSync(segment);
      bytes.write("damage", at);
      writeFileSync(segment, bytes);
      const seen = records(readWithPython(folder));
      expect(seen).toEqual(readOurselves(folder));
      expect(seen).toHaveLength(99);
    }
  });

  test("takes blocks apart, and goes on in the tail of a node that runs", async () => {
    const folder = join(root, "blocks");
    const tail = join(root, "tail");
    const clock = new VirtualClock({ wallMs: Date.UTC(2026, 5) });
    // Wherever the tests run, this folder passes for a tmpfs.
    const files = { ...nodeFiles(), isInMemory: () => true };
    const outbox = await openOutbox({ ...SMALL, path: folder, tail }, { files, clock, random: Math.random });
    fill(outbox, 90);
    await outbox.sync();
    fill(outbox, 10);
    outbox.ack(95);
    const lines = readWithPython(folder, tail);
    expect(records(lines)).toEqual(readOurselves(folder, tail));
    expect(lines.map(({ seq }) => seq)).toEqual(numbers(1, 100));
    expect(lines.filter(({ acknowledged }) => !acknowledged).map(({ seq }) => seq)).toEqual(numbers(96, 100));
    await outbox.close();
    expect(records(readWithPython(folder, tail))).toEqual(readOurselves(folder));
  });

  test("reads an outbox that nobody has written to", async () => {
    const folder = join(root, "empty");
    await (await open(folder)).close();
    expect(readWithPython(folder)).toEqual([]);
  });
});
