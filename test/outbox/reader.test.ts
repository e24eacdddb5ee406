import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { inspectOutbox } from "../../src/outbox/inspect.ts";
import { type OutboxOptions, openOutbox } from "../../src/outbox/open.ts";
import type { Entry, Outbox } from "../../src/outbox/outbox.ts";
import { howMany, SEED } from "../exhaustive.ts";
import { FOLDER, fill, numbers, Rig, SMALL, TAIL } from "./rig.ts";

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

/** Several at once: Python takes longer to start than to read. */
function readEachWithPython(looks: readonly { folder: string; tail: string | undefined }[]): Line[][] {
  const script =
    "import sys, json; from pathlib import Path; from reader import read\n\
for pair in json.load(sys.stdin): print(json.dumps(list(read(*(each and Path(each) for each in pair)))))";
  const lines = execFileSync("python3", ["-c", script], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { ...process.env, PYTHONPATH: dirname(READER), PYTHONDONTWRITEBYTECODE: "1" },
    input: JSON.stringify(looks.map(({ folder, tail }) => [folder, tail ?? null])),
  });
  return lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line[]);
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
  return ourselves(folder, nodeFiles(), tail);
}

function ourselves(folder: string, files: FileLayer, tail?: string): Partial<Line>[] {
  return [...inspectOutbox(folder, files, tail).entries("all")].map(
    ({ seq, wallMs, acknowledged, record }) => ({
      seq,
      time: wallMs,
      acknowledged,
      payload: hex(record),
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

/** Readings of three sensors in turns, and now and then an event. */
function bytesOf(seq: number): Buffer {
  const series = seq % 11 === 0 ? "event" : ["air", "soil", "tank"][seq % 3];
  return Buffer.from(`${series} ${seq} ${createHash("sha256").update(String(seq)).digest("hex")}`);
}

function seriesOf(record: Uint8Array): string | undefined {
  const series = Buffer.from(record).toString().split(" ")[0]!;
  return series === "event" ? undefined : series;
}

/** Eight segments of 4 KiB. */
const EIGHT = { segmentBytes: 4096, maxSizeBytes: 20 * 1024 + 8 * 4096 };

/** Names of the segments that were written in the place of others. */
function rewrittenIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".seg"));
  return names.filter((name) => readFileSync(join(folder, name)).readUInt32LE(8) === 3);
}

/** All that waits, without acknowledging it. */
function waiting(outbox: Outbox): Entry[] {
  const found: Entry[] = [];
  for (let page = outbox.peek(1, 100); page.length > 0; page = outbox.peek(found.at(-1)!.seq + 1, 100))
    found.push(...page);
  return found;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Copies a folder, as it lies there, to this machine's disk. */
function copyOut(files: FileLayer, from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of files.list(from)) {
    const file = files.open(`${from}/${name}`, "read");
    const bytes = new Uint8Array(file.sizeBytes());
    file.read(bytes, 0);
    file.close();
    writeFileSync(join(to, name), bytes);
  }
}

/** An outbox as it lay there at one moment. */
interface Look {
  readonly folder: string;
  readonly tail: string | undefined;
  readonly ours: Partial<Line>[];
  /** Numbers that the start which followed had to deliver; not said after a power cut, which undoes acknowledgements. */
  waiting?: readonly number[];
}

type Step =
  | { readonly do: "append" | "ack" | "ackAhead"; readonly count: number }
  | { readonly do: "sync" | "look" | "end" | "kill" | "cut" }
  | { readonly do: "die"; readonly afterWrites: number; readonly written: number }
  | { readonly do: "damage"; readonly file: number; readonly at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 500 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("ack" as const, "ackAhead" as const),
      count: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("sync" as const, "look" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("end" as const, "kill" as const, "cut" as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("die" as const),
      afterWrites: fc.nat(500),
      written: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("damage" as const), file: fc.nat(7), at: fc.nat(4096) }),
  },
);

/** A node that fills its outbox, is ended in every way, and is looked at all the while. */
class History {
  readonly #looks: Look[] = [];
  readonly #rig: Rig;
  readonly #path: string;
  readonly #tail: string | undefined;
  readonly #streams = new Set<string>();
  #outbox!: Outbox;
  /** The process dies in one of its writes, of which so much gets through. */
  #fuse = { writes: Number.POSITIVE_INFINITY, written: 1 };

  constructor(path: string, options: Partial<OutboxOptions>) {
    this.#path = path;
    this.#tail = options.tail;
    this.#rig = new Rig(options, (files) => this.#mortal(files), seriesOf);
  }

  async play(steps: readonly Step[]): Promise<readonly Look[]> {
    this.#outbox = await this.#rig.open();
    this.#streams.add(this.#outbox.opening.stream);
    for (const step of steps) {
      try {
        await this.#take(step);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith("died")) throw error;
        this.#fuse.writes = Number.POSITIVE_INFINITY;
        await this.#restart(() => this.#rig.kill());
      }
    }
    this.#look();
    return this.#looks;
  }

  async #take(step: Step): Promise<void> {
    const outbox = this.#outbox;
    const lastSeq = outbox.status().nextSeq - 1;
    switch (step.do) {
      case "append":
        for (let count = 0; count < step.count; count++) {
          outbox.append(bytesOf(outbox.status().nextSeq));
          if (count % 20 === 19) await outbox.sync();
        }
        break;
      case "sync":
        await outbox.sync();
        break;
      case "ack": {
        const page = outbox.peek(1, step.count);
        if (page.length > 0) outbox.ack(page.at(-1)!.seq);
        for (const _ of outbox.takeDrops()) outbox.append(bytesOf(outbox.status().nextSeq));
        break;
      }
      case "ackAhead":
        if (lastSeq > step.count && outbox.canAckAhead()) outbox.ackAhead(lastSeq - step.count + 1, lastSeq);
        break;
      case "look":
        this.#look();
        break;
      case "end":
        await this.#restart(() => outbox.close());
        break;
      case "kill":
        await this.#restart(() => this.#rig.kill());
        break;
      case "cut":
        delete (await this.#restart(() => this.#rig.cutPower())).waiting;
        break;
      case "die":
        this.#fuse = { writes: step.afterWrites, written: step.written };
        break;
      case "damage":
        await this.#restart(() => {
          this.#rig.kill();
          const names = this.#rig.segments();
          const name = names[step.file % names.length];
          if (name !== undefined) this.#rig.edit(name, (bytes) => bytes.fill(0xa5, step.at, step.at + 9));
        });
    }
  }

  #look(): Look {
    const path = join(this.#path, String(this.#looks.length));
    const folder = `${path}${FOLDER}`;
    const tail = this.#tail && `${path}${TAIL}`;
    const { mount } = this.#rig;
    copyOut(mount, FOLDER, folder);
    for (const stream of tail ? this.#streams : []) {
      try {
        copyOut(mount, `${TAIL}/outbox-${stream}`, `${tail}/outbox-${stream}`);
      } catch {
        // This run has no tail.
      }
    }
    const look = { folder, tail, ours: readOurselves(folder, tail) };
    expect(ourselves(FOLDER, mount, this.#tail)).toEqual(look.ours);
    this.#looks.push(look);
    return look;
  }

  async #restart(end: () => unknown): Promise<Look> {
    await end();
    const look = this.#look();
    this.#outbox = await this.#rig.open();
    this.#streams.add(this.#outbox.opening.stream);
    look.waiting = waiting(this.#outbox).map(({ seq }) => seq);
    return look;
  }

  #mortal(files: FileLayer): FileLayer {
    return {
      ...files,
      open: (path, mode) => {
        const file = files.open(path, mode);
        return {
          ...file,
          write: (bytes, lengthBytes, position) => {
            if (this.#fuse.writes-- !== 0) return file.write(bytes, lengthBytes, position);
            file.write(bytes, Math.floor(lengthBytes * this.#fuse.written), position);
            this.#rig.mount.kill();
            throw new Error(`died in a write to ${path}`);
          },
        };
      },
    };
  }
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

  test.each([
    ["thin", "no tail"],
    ["thin", "a tail"],
    ["drop_oldest", "no tail"],
    ["drop_oldest", "a tail"],
  ] as const)(
    "reads what %s has written anew, of a node with %s that runs, was killed, has ended",
    async (whenFull, tail) => {
      const folder = join(root, `${whenFull}-${tail}`);
      const there = tail === "a tail" ? join(root, `${whenFull}-tmpfs`) : undefined;
      // Wherever the tests run, this folder passes for a tmpfs.
      const files = { ...nodeFiles(), isInMemory: () => true };
      const options = { ...SMALL, ...EIGHT, whenFull, path: folder, tail: there };
      const dependencies = () => ({
        files,
        clock: new VirtualClock({ wallMs: Date.UTC(2026, 5), bootId: "b0000001" }),
        random: Math.random,
        seriesOf,
      });
      const outbox = await openOutbox(options, dependencies());
      for (let count = 0; count < 2_000; count++) {
        outbox.append(bytesOf(outbox.status().nextSeq));
        if (count % 20 === 10) await outbox.sync();
      }
      expect(rewrittenIn(folder).length).toBeGreaterThan(0);
      const running = readWithPython(folder, ...(there ? [there] : []));
      expect(records(running)).toEqual(readOurselves(folder, there));
      expect(running.flatMap(({ from, seq }) => numbers(from, seq))).toEqual(
        numbers(running[0]!.from, 2_000),
      );
      expect(running.filter(({ kind }) => kind === 5).length).toBeGreaterThan(10);

      const killed = join(root, `${whenFull}-${tail}-killed`);
      cpSync(folder, killed, { recursive: true });
      rmSync(join(killed, "lock"));
      const killedTail = there && `${there}-killed`;
      if (there) cpSync(there, killedTail!, { recursive: true });
      expect(readWithPython(killed, ...(killedTail ? [killedTail] : []))).toEqual(running);
      const next = await openOutbox({ ...options, path: killed, tail: killedTail }, dependencies());
      expect(next.opening.lastEnd).toBe("killed");
      const seqs = records(running).map(({ seq }) => seq);
      expect(waiting(next).map(({ seq }) => seq)).toEqual(seqs);
      await next.close();

      await outbox.close();
      expect(records(readWithPython(folder))).toEqual(records(running));
      expect(records(readWithPython(folder))).toEqual(readOurselves(folder, there));
    },
  );

  test("takes the sources of a segment that was written in their place only in part", async () => {
    let died = false;
    const rig = new Rig(
      { ...EIGHT, whenFull: "thin" },
      (files) => ({
        ...files,
        open(path, mode) {
          const file = files.open(path, mode);
          return {
            ...file,
            write(bytes, lengthBytes, position) {
              const isRewritten = path.endsWith(".seg") && position === 0 && bytes[8] === 3;
              file.write(bytes, isRewritten && !died ? lengthBytes / 2 : lengthBytes, position);
              if (!isRewritten || died) return;
              died = true;
              rig.mount.kill();
              throw new Error("died");
            },
          };
        },
      }),
      seriesOf,
    );
    const outbox = await rig.open();
    const lastSeq = () => outbox.status().nextSeq - 1;
    await expect(async () => {
      for (;;) {
        outbox.append(bytesOf(lastSeq() + 1));
        if (lastSeq() % 20 === 0) await outbox.sync();
      }
    }).rejects.toThrow("died");
    rig.kill();
    const folder = join(root, "in-part");
    copyOut(rig.mount, FOLDER, folder);
    expect(rewrittenIn(folder)).toHaveLength(1);
    const lines = readWithPython(folder);
    // Nothing is thinned yet; the record that there was no room for is lost with its process.
    expect(lines.map(({ kind, seq }) => [kind, seq])).toEqual(
      numbers(1, lines.length).map((seq) => [0, seq]),
    );
    expect(records(lines)).toEqual(readOurselves(folder));
    expect(waiting(await rig.open()).map(({ seq }) => seq)).toEqual(numbers(1, lines.length));
  });

  test("agrees with our own where a segment that was written anew is damaged, or another has its header", async () => {
    const rig = new Rig({ ...EIGHT, whenFull: "thin" }, undefined, seriesOf);
    const outbox = await rig.open();
    for (let seq = 1; seq <= 900; seq++) {
      outbox.append(bytesOf(seq));
      if (seq % 20 === 0) await outbox.sync();
    }
    rig.kill();
    const whole = join(root, "whole");
    copyOut(rig.mount, FOLDER, whole);
    const [other] = readdirSync(whole).filter((name) => name.endsWith(".seg"));
    const header = readFileSync(join(whole, other!)).subarray(0, 96);
    const folders = rewrittenIn(whole).flatMap((name) =>
      [0, 1500, 3500, "header"].map((damage) => {
        const folder = join(root, `damaged-${name}-${damage}`);
        cpSync(whole, folder, { recursive: true });
        const bytes = readFileSync(join(folder, name));
        if (typeof damage === "number") bytes.fill(0xff, damage, damage + 40);
        else header.copy(bytes);
        writeFileSync(join(folder, name), bytes);
        return folder;
      }),
    );
    const theirs = readEachWithPython(folders.map((folder) => ({ folder, tail: undefined })));
    for (const [nth, folder] of folders.entries())
      expect(records(theirs[nth]!), folder).toEqual(readOurselves(folder));
    expect(new Set(theirs.map(({ length }) => length)).size).toBeGreaterThan(10);
  });

  test.each(["thin", "drop_oldest", "drop_newest"] as const)(
    "agrees with our own on random histories of outboxes that are full (%s)",
    async (whenFull) => {
      let histories = 0;
      let rewritten = 0;
      const outboxes = fc.record({
        tail: fc.constantFrom(undefined, TAIL),
        steps: fc.array(step, { minLength: 4, maxLength: 12, size: "max" }),
      });
      await fc.assert(
        fc.asyncProperty(outboxes, async ({ tail, steps }) => {
          const path = join(root, `${whenFull}-${++histories}`);
          const looks = await new History(path, { whenFull, tail, ...EIGHT }).play([
            { do: "append", count: 400 },
            ...steps,
          ]);
          if (looks.some(({ folder }) => rewrittenIn(folder).length > 0)) rewritten++;
          const theirs = readEachWithPython(looks);
          for (const [nth, { ours, waiting }] of looks.entries()) {
            const seen = records(theirs[nth]!);
            expect(seen).toEqual(ours);
            expect(seen.filter(({ seq, payload }) => payload !== hex(bytesOf(seq)))).toEqual([]);
            const left = seen.filter(({ acknowledged }) => !acknowledged);
            if (waiting) expect(left.map(({ seq }) => seq)).toEqual(waiting);
          }
          rmSync(path, { recursive: true });
        }),
        { seed: SEED, numRuns: howMany(2, 5) },
      );
      if (whenFull === "thin") expect(rewritten).toBeGreaterThan(0);
    },
  );

  test("reads an outbox that nobody has written to", async () => {
    const folder = join(root, "empty");
    await (await open(folder)).close();
    expect(readWithPython(folder)).toEqual([]);
  });
});
