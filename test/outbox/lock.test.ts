import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { memoryDisk } from "../../src/outbox/files/memory.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { lockOwner, OutboxLockedError, takeLock } from "../../src/outbox/lock.ts";
import { fill, Rig } from "./rig.ts";

const root = mkdtempSync(join(tmpdir(), "fieldpost-lock-"));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
const freshPath = () => join(root, `lock-${++folders}`);

describe("the lock of an outbox", () => {
  test("keeps a second process out, naming the first", () => {
    const path = freshPath();
    const release = takeLock(nodeFiles(), root, path, seededRandom(1));
    expect(() => takeLock(nodeFiles(), root, path, seededRandom(2))).toThrow(
      `${root} is in use by process ${process.pid}: stop it first, or choose another folder`,
    );
    expect(lockOwner(nodeFiles(), path)).toBe(process.pid);
    release();
    expect(lockOwner(nodeFiles(), path)).toBeUndefined();
    takeLock(nodeFiles(), root, path, seededRandom(2))();
  });

  test.each([
    ["a process that is gone", `4000000-1-${process.pid}`],
    ["a process whose number another has now", nodeFiles().processes.self.replace(/-\d+-/, "-1-")],
    ["a process of an earlier kernel boot", nodeFiles().processes.self.replace(/-[^-]+$/, "-00000000")],
  ])("is taken over from %s", (_, owner) => {
    const path = freshPath();
    writeFileSync(path, `\nclaim abc ${owner}\n`);
    takeLock(nodeFiles(), root, path, seededRandom(1))();
  });

  test.each([
    ["nothing", ""],
    ["zeros", "\0".repeat(300)],
    ["half a line", "\nclaim abc 12"],
    ["something else", "what is this"],
  ])("is taken where its file holds %s", (_, content) => {
    const path = freshPath();
    writeFileSync(path, content);
    const release = takeLock(nodeFiles(), root, path, seededRandom(1));
    expect(() => takeLock(nodeFiles(), root, path, seededRandom(2))).toThrow(OutboxLockedError);
    release();
  });

  test("leaves a file that does not grow, however many start and fail to", () => {
    const path = freshPath();
    for (let run = 0; run < 50; run++) {
      const release = takeLock(nodeFiles(), root, path, seededRandom(run));
      for (let i = 0; i < 5; i++)
        expect(() => takeLock(nodeFiles(), root, path, seededRandom(i + 100))).toThrow(OutboxLockedError);
      release();
    }
    expect(statSync(path).size).toBeLessThan(300);
    expect(readFileSync(path, "latin1")).toMatch(/^\nclaim /);
  });

  test("is given back when the outbox closes, and when opening fails", async () => {
    const rig = new Rig();
    const first = await rig.open();
    await expect(rig.open()).rejects.toThrow(OutboxLockedError);
    await first.close();
    await expect(rig.open({ segmentBytes: 100 })).rejects.toThrow(RangeError);
    const second = await rig.open();
    expect(fill(second, 1)).toBe(1);
    await second.close();
  });

  test("has at most one owner among starters that meet at any of their steps", () => {
    const random = seededRandom(7);
    for (let round = 0; round < 2000; round++) {
      const disk = memoryDisk();
      const dead = disk.mount();
      dead.makeFolder("/o");
      if (round % 2 === 0) takeLock(dead, "/o", "/o/lock", random);
      dead.kill();
      const owners = race(disk, random);
      expect(owners).toBeLessThanOrEqual(1);
    }
  });
});

/**
 * Lets starters interrupt each other: at a random one of its operations on files, a starter is overtaken by the next
 * one, which runs to its end, and may die right there. Returns how many of the living hold the lock at the end.
 */
function race(disk: ReturnType<typeof memoryDisk>, random: () => number, depth = 0): number {
  const mount = disk.mount();
  let owners = 0;
  let left = Math.floor(random() * 9);
  const interrupt = () => {
    if (left-- === 0 && depth < 3) owners += race(disk, random, depth + 1);
  };
  const files: FileLayer = {
    ...mount,
    open(path, mode) {
      interrupt();
      const file = mount.open(path, mode);
      return {
        ...file,
        read(into, position) {
          interrupt();
          return file.read(into, position);
        },
        write(bytes, lengthBytes, position) {
          interrupt();
          file.write(bytes, lengthBytes, position);
        },
        truncate(sizeBytes) {
          interrupt();
          file.truncate(sizeBytes);
        },
      };
    },
  };
  try {
    takeLock(files, "/o", "/o/lock", random);
  } catch (error) {
    if (!(error instanceof OutboxLockedError)) throw error;
    return owners;
  }
  if (random() < 0.3) {
    mount.kill();
    return owners;
  }
  return owners + 1;
}
