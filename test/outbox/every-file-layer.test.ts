import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { memoryDisk } from "../../src/outbox/files/memory.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";

const root = mkdtempSync(join(tmpdir(), "fieldpost-files-"));
afterAll(() => rmSync(root, { recursive: true }));

const code = (expected: string) => expect.objectContaining({ code: expected });

describe.each<[string, () => FileLayer, string]>([
  ["the file system", nodeFiles, join(root, "folder")],
  ["a disk in memory", () => memoryDisk().mount(), "/folder"],
])("%s", (_, make, folder) => {
  const files = make();
  files.makeFolder(folder);
  let names = 0;
  const fresh = () => `${folder}/${++names}`;
  const bytes = (text: string) => Buffer.from(text);

  function read(path: string, count: number, position = 0): string {
    const file = files.open(path, "read");
    const into = Buffer.alloc(count);
    const length = file.read(into, position);
    file.close();
    return into.toString("latin1", 0, length);
  }

  test("reads back what was written, and zeros between", () => {
    const path = fresh();
    const file = files.open(path, "create");
    file.write(bytes("abcdef"), 3, 0);
    file.write(bytes("xyz"), 3, 5);
    expect(file.sizeBytes()).toBe(8);
    file.close();
    expect(read(path, 100)).toBe("abc\0\0xyz");
    expect(read(path, 2, 6)).toBe("yz");
    expect(read(path, 5, 100)).toBe("");
  });

  test("truncates, and grows with zeros", () => {
    const path = fresh();
    const file = files.open(path, "create");
    file.write(bytes("abcdef"), 6, 0);
    file.truncate(2);
    file.truncate(4);
    file.close();
    expect(read(path, 10)).toBe("ab\0\0");
  });

  test("appends at the end, wherever others have moved it to", () => {
    const path = fresh();
    const [one, two] = [files.open(path, "append"), files.open(path, "append")];
    one.write(bytes("a"), 1, 0);
    two.write(bytes("b"), 1, 0);
    one.write(bytes("c"), 1, 0);
    expect(read(path, 10)).toBe("abc");
    one.close();
    two.close();
  });

  test("says what is wrong as the system does", () => {
    const path = fresh();
    expect(() => files.open(path, "read")).toThrow(code("ENOENT"));
    expect(() => files.open(path, "write")).toThrow(code("ENOENT"));
    expect(() => files.remove(path)).toThrow(code("ENOENT"));
    expect(() => files.rename(path, fresh())).toThrow(code("ENOENT"));
    expect(() => files.list(`${folder}/none`)).toThrow(code("ENOENT"));
    files.open(path, "create").close();
    expect(() => files.open(path, "create")).toThrow(code("EEXIST"));
    const readOnly = files.open(path, "read");
    expect(() => readOnly.write(bytes("a"), 1, 0)).toThrow(code("EBADF"));
    readOnly.close();
  });

  test("renames over what is there, and removes", () => {
    const [from, to] = [fresh(), fresh()];
    const file = files.open(from, "create");
    file.write(bytes("new"), 3, 0);
    file.close();
    files.open(to, "create").close();
    files.rename(from, to);
    expect(read(to, 9)).toBe("new");
    const before = files.list(folder);
    files.remove(to);
    expect(before.filter((name) => !files.list(folder).includes(name))).toEqual([
      to.slice(folder.length + 1),
    ]);
  });

  test("syncs, also a file that is closed meanwhile", async () => {
    const file = files.open(fresh(), "create");
    file.write(bytes("a"), 1, 0);
    file.syncNow();
    const syncing = file.sync();
    file.close();
    file.close();
    await syncing;
    await files.syncFolder(folder);
    files.syncFolderNow(folder);
  });

  test("knows that its own process runs", () => {
    expect(files.processes.isRunning(files.processes.self)).toBe(true);
    expect(files.processes.self).toMatch(/^\d+-\S+$/);
  });
});

describe("a disk in memory", () => {
  test("forgets on a power cut what was not synced: bytes, sizes and names", () => {
    const disk = memoryDisk();
    const files = disk.mount();
    files.makeFolder("/f");
    const kept = files.open("/f/kept", "create");
    kept.write(Buffer.alloc(10_000, 1), 10_000, 0);
    kept.syncNow();
    files.syncFolderNow("/f");
    kept.write(Buffer.alloc(10_000, 2), 10_000, 5000);
    files.open("/f/nameless", "create").syncNow();
    disk.cutPower();
    expect(() => kept.sizeBytes()).toThrow(code("EIO"));
    const after = disk.mount();
    expect(after.list("/f")).toEqual(["kept"]);
    const file = after.open("/f/kept", "read");
    const into = Buffer.alloc(20_000);
    expect(file.read(into, 0)).toBe(10_000);
    expect(into.subarray(0, 10_000).every((byte) => byte === 1)).toBe(true);
  });

  test("refuses writes, syncs and names where it is told to, and is read all the same", () => {
    const disk = memoryDisk();
    const files = disk.mount();
    files.makeFolder("/f");
    const file = files.open("/f/a", "create");
    file.write(Buffer.from("abc"), 3, 0);
    disk.refuseWrites("EROFS");
    for (const refused of [
      () => file.write(Buffer.from("x"), 1, 0),
      () => file.truncate(0),
      () => file.syncNow(),
      () => files.open("/f/b", "create"),
      () => files.rename("/f/a", "/f/b"),
      () => files.remove("/f/a"),
      () => files.syncFolderNow("/f"),
    ])
      expect(refused).toThrow(code("EROFS"));
    const into = Buffer.alloc(3);
    expect([file.read(into, 0), into.toString()]).toEqual([3, "abc"]);
    disk.refuseWrites(undefined);
    file.syncNow();
  });

  test("keeps on a kill what was written", () => {
    const disk = memoryDisk();
    const files = disk.mount();
    files.makeFolder("/f");
    files.open("/f/a", "create").write(Buffer.from("abc"), 3, 0);
    files.kill();
    expect(files.processes.isRunning(files.processes.self)).toBe(false);
    expect(() => files.list("/f")).toThrow(code("EIO"));
    expect(disk.usedBytes("/f")).toBe(3);
  });
});

test("the file system makes folders in folders, and says what is in their way", () => {
  const files = nodeFiles();
  const at = (name: string) => join(root, "made", name);
  files.makeFolder(at("a/b/c"));
  files.makeFolder(at("a/b/c"));
  expect(existsSync(at("a/b/c"))).toBe(true);
  writeFileSync(at("file"), "");
  symlinkSync(at("unplugged/disk"), at("link"));
  expect(() => files.makeFolder(at("file"))).toThrow(code("EEXIST"));
  expect(() => files.makeFolder(at("file/a/b"))).toThrow(code("ENOTDIR"));
  expect(() => files.makeFolder(at("link/a"))).toThrow(code("EEXIST"));
});
