import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { openOutbox } from "../../src/outbox/open.ts";
import { drain, fill, numbers } from "./rig.ts";

const DISK_BYTES = 16 * 1024 * 1024;

/** A small ext4 of its own, in a file: needs root and loop devices. */
interface Ext4 {
  readonly folder: string;
  mount(): void;
  unmount(): void;
  run(command: string, ...args: string[]): void;
}

function ext4In(root: string): Ext4 {
  const image = join(root, "image");
  const folder = join(root, "mounted");
  const run = (command: string, ...args: string[]) => void execFileSync(command, args, { stdio: "pipe" });
  mkdirSync(folder);
  writeFileSync(image, "");
  truncateSync(image, DISK_BYTES);
  run("mkfs.ext4", "-q", "-F", image);
  return {
    folder,
    run,
    mount: () => run("mount", "-o", "loop", image, folder),
    unmount() {
      run("umount", folder);
      // Repairs what an aborted journal left; 1 says that it did.
      const { status } = spawnSync("e2fsck", ["-p", image]);
      if (status !== 0 && status !== 1) throw new Error(`e2fsck ended with ${status}`);
    },
  };
}

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return "it needs root";
  if (!existsSync("/dev/loop-control")) return "there are no loop devices";
  const root = mkdtempSync(join(tmpdir(), "fieldpost-ext4-"));
  try {
    const disk = ext4In(root);
    disk.mount();
    disk.unmount();
    return undefined;
  } catch (error) {
    return (error as Error).message.split("\n")[0];
  } finally {
    rmSync(root, { recursive: true });
  }
}

const reason = whyNot();

if (reason !== undefined)
  test(`a full or failing ext4 was not tried: ${reason}`, () => expect(process.env.CI).toBeUndefined());
else
  describe("an outbox on a real ext4", { timeout: 60_000 }, () => {
    let root: string;
    let disk: Ext4;
    let clock: VirtualClock;
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), "fieldpost-ext4-"));
      disk = ext4In(root);
      disk.mount();
      clock = clockOf("b0000001");
    });
    afterEach(() => {
      // Lazily: a failed test may have files open.
      spawnSync("umount", ["-l", disk.folder]);
      rmSync(root, { recursive: true });
    });

    const clockOf = (bootId: string) => new VirtualClock({ wallMs: Date.UTC(2026, 5), bootId });
    const open = () =>
      openOutbox(
        {
          path: join(disk.folder, "outbox"),
          maxSizeBytes: 8 * 1024 * 1024,
          segmentBytes: 256 * 1024,
          maxAgeMs: 1e12,
          whenFull: "drop_oldest",
          syncAfterMs: 1000,
        },
        { files: nodeFiles(), clock, random: Math.random },
      );

    /** Others take all the room there is. */
    function fillUp(path: string): void {
      const file = openSync(path, "w");
      for (const bytes of [1024 * 1024, 4096])
        try {
          for (;;) writeSync(file, Buffer.alloc(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: "ENOSPC" });
        }
      closeSync(file);
    }

    test("that is full keeps records in memory, delivers them, and stores them once there is room", async () => {
      const hog = join(disk.folder, "hog");
      const first = await open();
      fill(first, 1000);
      fillUp(hog);
      fill(first, 9000);
      expect(first.status().fault).toContain("ENOSPC");
      expect(drain(first)).toEqual(numbers(1, 10_000));
      first.ack(500);
      rmSync(hog);
      await clock.advance(3000);
      await first.sync();
      expect(first.status()).toMatchObject({ fault: undefined, syncedSeq: 10_000, dropped: 0 });
      await first.close();
      fillUp(hog);
      const second = await open();
      expect(drain(second)).toEqual(numbers(501, 10_000));
      expect(fill(second, 1)).toBe(10_001);
      expect(second.takeDrops()).toEqual([]);
      await second.close();
    });

    test("that turns read-only goes on in memory, and after a repair at the next boot gives no number twice", async () => {
      const first = await open();
      fill(first, 1000);
      await first.sync();
      // What the kernel does itself when the flash fails: errors=remount-ro.
      disk.run("mount", "-o", "remount,abort", disk.folder);
      const lastSeq = fill(first, 3000);
      await first.sync().catch(() => {});
      expect(first.status().fault).toMatch(/EROFS|EIO/);
      await clock.advance(3000);
      fill(first, 10);
      expect(drain(first)).toEqual(numbers(1, 4010));
      await expect(first.close()).rejects.toThrow(/EROFS|EIO/);
      await expect(open()).rejects.toThrow(/EROFS|EIO/);
      disk.unmount();
      disk.mount();
      clock = clockOf("b0000002");
      const second = await open();
      expect(drain(second).slice(0, 1000)).toEqual(numbers(1, 1000));
      expect(fill(second, 1)).toBeGreaterThan(lastSeq + 10);
      await second.close();
    });
  });
