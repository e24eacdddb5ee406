import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { type MemoryDisk, type Mount, memoryDisk } from "../../src/outbox/files/memory.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { lockOwner, OutboxLockedError, takeLock } from "../../src/outbox/state/lock.ts";
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

  test("can be taken again by a process that left it while the disk refused to note that", () => {
    const disk = memoryDisk();
    const [own, other] = [disk.mount(), disk.mount()];
    own.makeFolder("/f");
    for (const seed of [1, 1, 2]) {
      const release = takeLock(own, "/f", "/f/lock", seededRandom(seed));
      disk.refuseWrites("EROFS");
      release();
      disk.refuseWrites(undefined);
      expect(() => takeLock(other, "/f", "/f/lock", seededRandom(9))).toThrow(OutboxLockedError);
    }
    takeLock(own, "/f", "/f/lock", seededRandom(3))();
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

  test("has at most one owner among starters that meet at any of their steps, and is free when all have gone", () => {
    const random = seededRandom(7);
    for (let round = 0; round < 3000; round++) {
      const disk = memoryDisk();
      const dead = disk.mount();
      dead.makeFolder("/o");
      if (round % 2 === 0) takeLock(dead, "/o", "/o/lock", random);
      dead.kill();
      const owners = race(disk, random);
      expect(owners.length).toBeLessThanOrEqual(1);
      for (const release of owners) release();
      takeLock(disk.mount(), "/o", "/o/lock", random);
    }
  });

  test("has at most one owner even where the first dies in the middle of tidying up", () => {
    const random = seededRandom(8);
    for (let round = 0; round < 3000; round++) {
      const disk = memoryDisk();
      const first = disk.mount();
      first.makeFolder("/o");
      let third: (() => void) | undefined;
      const steps = [
        ...stepsOfOwner(first),
        () => {
          third = attempt(disk.mount(), random);
        },
      ];
      const files = interruptible(disk.mount(), () => {
        while (random() < 0.4) steps.shift()?.();
      });
      const second = attempt(files, random);
      for (const step of steps) step();
      expect([second, third].filter((owner) => owner !== undefined).length).toBeLessThanOrEqual(1);
    }
  });
});

function attempt(files: FileLayer, random: () => number): (() => void) | undefined {
  try {
    return takeLock(files, "/o", "/o/lock", random);
  } catch (error) {
    if (!(error instanceof OutboxLockedError)) throw error;
    return undefined;
  }
}

/** What an owner does, step by step, so that others can come between: claims as the first, shortens the list, dies. */
function stepsOfOwner(mount: Mount): (() => void)[] {
  const line = Buffer.from(`\nclaim 1 ${mount.processes.self}\n`);
  let owns = false;
  return [
    () => {
      const file = mount.open("/o/lock", "append");
      owns = file.sizeBytes() === 0;
      if (owns) file.write(line, line.length, 0);
    },
    () => {
      if (owns) mount.open("/o/lock", "write").write(line, line.length, 0);
    },
    () => {
      if (owns) mount.open("/o/lock", "write").truncate(line.length);
    },
    () => mount.kill(),
  ];
}

function interruptible(mount: Mount, interrupt: () => void): FileLayer {
  return {
    ...mount,
    processes: {
      ...mount.processes,
      isRunning(process) {
        interrupt();
        return mount.processes.isRunning(process);
      },
    },
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
}

/**
 * Lets starters interrupt each other: at a random one of its operations, a starter is overtaken by the next one, which
 * runs to its end, and may die right there. Returns how each of the living that hold the lock gives it back.
 */
function race(disk: MemoryDisk, random: () => number, depth = 0): (() => void)[] {
  const mount = disk.mount();
  const owners: (() => void)[] = [];
  let left = Math.floor(random() * 12);
  const files = interruptible(mount, () => {
    if (left-- === 0 && depth < 3) owners.push(...race(disk, random, depth + 1));
  });
  const release = attempt(files, random);
  if (release === undefined) return owners;
  if (random() < 0.3) mount.kill();
  else owners.push(release);
  return owners;
}
