import { readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { FatPartition } from "../../src/deploy/fat.ts";
import { bootPartitionOffset } from "../../src/deploy/image.ts";
import { StockImage } from "./stock-image.ts";

const NOON = Date.UTC(2026, 10, 25, 12, 0, 0);

let image: StockImage;
afterEach(() => image?.remove());

const open = () => new FatPartition(image.file, bootPartitionOffset(image.file), () => NOON);

describe.each([
  ["FAT32", { fat: 32 as const, mib: 64 }],
  ["FAT16", { fat: 16 as const, mib: 32 }],
])("a boot partition with %s", (_, layout) => {
  test("gives what another program wrote, whatever the case of its name", () => {
    image = new StockImage("bookworm", layout);
    image.copy("A rather long name.txt", Buffer.from("hello"));
    const boot = open();
    expect(Buffer.from(boot.read("CONFIG.TXT")!).toString()).toContain("dtparam=audio=on");
    expect(Buffer.from(boot.read("a rather LONG name.txt")!).toString()).toBe("hello");
    expect(boot.read("nothing")).toBeUndefined();
    expect(boot.read("config.txt/inside")).toBeUndefined();
    boot.close();
  });

  test("keeps what it is given, for other programs too", () => {
    image = new StockImage("bookworm", layout);
    const large = Buffer.alloc(3_000_001, "0123456789abcdef");
    const boot = open();
    boot.write("fieldpost/config/fieldpost.yaml", Buffer.from("device: { id: n1 }\n"));
    boot.write("fieldpost/fieldpost_0.1.0~rc1_arm64.deb", large);
    boot.write("config.txt", Buffer.from("short"));
    boot.write("empty", Buffer.alloc(0));
    boot.close();
    expect(image.check()).toBe("");
    expect(image.list()).toEqual([
      "cmdline.txt",
      "config.txt",
      "empty",
      "fieldpost/config/fieldpost.yaml",
      "fieldpost/fieldpost_0.1.0~rc1_arm64.deb",
    ]);
    expect(image.read("fieldpost/config/fieldpost.yaml").toString()).toBe("device: { id: n1 }\n");
    expect(image.read("fieldpost/fieldpost_0.1.0~rc1_arm64.deb").equals(large)).toBe(true);
    expect(image.read("config.txt").toString()).toBe("short");
  });

  test("gives back the room of what is replaced or removed", () => {
    image = new StockImage("bookworm", layout);
    const boot = open();
    boot.write("warm-up", Buffer.of(1));
    boot.remove("warm-up");
    const before = boot.freeBytes();
    boot.write("data", Buffer.alloc(1_000_000));
    boot.write("data", Buffer.alloc(10));
    boot.remove("data");
    boot.remove("never there");
    expect(boot.freeBytes()).toBe(before);
    boot.close();
    expect(image.check()).toBe("");
  });

  test("takes many files into one folder, which grows", () => {
    image = new StockImage("bookworm", layout);
    const names = Array.from({ length: 120 }, (_, index) => `many/A long enough name, number ${index}.json`);
    const boot = open();
    for (const name of names) boot.write(name, Buffer.from(name));
    boot.close();
    expect(image.check()).toBe("");
    expect(image.list().filter((name) => name.startsWith("many/"))).toEqual([...names].sort());
  });

  test("that is full says so and stays as it was", () => {
    image = new StockImage("bookworm", layout);
    const boot = open();
    const free = boot.freeBytes();
    expect(() => boot.write("huge", Buffer.alloc(layout.mib * 1024 ** 2))).toThrow(
      /too full: \d+ MB are missing/,
    );
    expect(boot.freeBytes()).toBe(free);
    boot.close();
    expect(image.check()).toBe("");
  });
});

test("any order of writes and removals leaves a sound file system with just those files", () => {
  const name = fc.constantFrom(
    "a.txt",
    "B.TXT",
    "long name.yaml",
    "folder/x",
    "folder/Another Name",
    "d1/d2/d3",
  );
  const step = fc.oneof(
    fc.record({ name, bytes: fc.nat(9_000) }),
    fc.record({ name, bytes: fc.constant(undefined) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      image = new StockImage("bookworm", { fat: 16, mib: 16 });
      try {
        const expected = new Map<string, number>();
        const boot = open();
        for (const { name, bytes } of steps) {
          if (bytes === undefined) boot.remove(name);
          else boot.write(name, Buffer.alloc(bytes, name));
          if (bytes === undefined) expected.delete(name);
          else expected.set(name, bytes);
        }
        boot.close();
        expect(image.check()).toBe("");
        expect(image.list()).toEqual(["cmdline.txt", "config.txt", ...expected.keys()].sort());
        for (const [file, bytes] of expected)
          expect(image.read(file).equals(Buffer.alloc(bytes, file))).toBe(true);
      } finally {
        image.remove();
      }
    }),
    { numRuns: 25 },
  );
});

test.each([
  ["that is compressed", Buffer.from("fd377a585a00", "hex"), "is compressed: xz -d"],
  ["that is an archive", Buffer.from("PK\u0003\u0004"), "is a ZIP archive: unzip it first"],
  ["of noise", Buffer.alloc(600, 7), "is no disk image"],
])("a file %s is told what is wrong with it", (_, bytes, message) => {
  image = new StockImage("bookworm", { fat: 16, mib: 16 });
  writeFileSync(image.file, Buffer.concat([bytes, Buffer.alloc(1024)]));
  expect(() => bootPartitionOffset(image.file)).toThrow(message);
});

test("an image whose first partition is no FAT is told so", () => {
  image = new StockImage("bookworm", { fat: 16, mib: 16 });
  const bytes = readFileSync(image.file);
  bytes.fill(0, image.offsetBytes, image.offsetBytes + 512);
  writeFileSync(image.file, bytes);
  expect(open).toThrow("holds no FAT file system");
});
