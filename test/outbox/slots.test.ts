import { describe, expect, test } from "vitest";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { memoryDisk } from "../../src/outbox/files/memory.ts";
import type { Drop } from "../../src/outbox/outbox.ts";
import { progressCodec } from "../../src/outbox/state/progress.ts";
import { type Codec, readSlots, SlotWriter } from "../../src/outbox/state/slots.ts";
import { ACCOUNTS_MAX, type State, StateFile, stateCodec } from "../../src/outbox/state/state.ts";

const counter: Codec<number> = {
  magic: "fptest01",
  payloadBytes: 8,
  encode: (value, into) => void into.writeDoubleLE(value, 0),
  decode: (payload) => payload.readDoubleLE(0),
};

function bench() {
  const files = memoryDisk().mount();
  files.makeFolder("/s");
  const read = () => readSlots(files, "/s/f", counter);
  const open = () => new SlotWriter(files, "/s/f", counter, read());
  const destroy = (slot: number) => {
    const file = files.open("/s/f", "write");
    file.write(Buffer.alloc(512, 0x77), 512, slot * 4096);
    file.close();
  };
  return { files, read, open, destroy };
}

describe("a file of two slots", () => {
  test("holds nothing before it is written", () => {
    const { read, open } = bench();
    expect(read()).toEqual({ found: "absent" });
    open();
    expect(read()).toEqual({ found: "absent" });
  });

  test("gives the value written last", () => {
    const { read, open } = bench();
    const writer = open();
    for (let value = 1; value <= 5; value++) {
      writer.write(value);
      writer.alternate();
      expect(read()).toMatchObject({ found: "intact", value });
    }
  });

  test("gives the value before where the last one is torn, also across openings", () => {
    for (let openings = 1; openings <= 4; openings++) {
      const { read, open, destroy } = bench();
      for (let value = 1; value <= 2 + openings; value++) {
        const writer = open();
        writer.write(value);
        writer.alternate();
        writer.close();
      }
      const last = read();
      destroy(last.found === "intact" ? last.slot : 0);
      expect(read()).toMatchObject({ value: 1 + openings });
    }
  });

  test("is damaged where neither slot is intact", () => {
    const { read, open, destroy } = bench();
    open().write(1);
    destroy(0);
    destroy(1);
    expect(read()).toEqual({ found: "damaged" });
  });
});

test.each([stateCodec, progressCodec] as const)("a slot of $magic fits into a sector", ({ payloadBytes }) => {
  expect(8 + 8 + payloadBytes + 4).toBeLessThanOrEqual(512);
});

const REASONS: readonly Drop["reason"][] = [
  "full",
  "thinned",
  "expired",
  "corrupt",
  "operator",
  "skipped",
  "too_large",
  "refused",
];

describe("the state on flash", () => {
  const state: State = {
    stream: "0badcafe",
    run: 3,
    bootId: "b0000001",
    clean: false,
    memoryOnly: true,
    tail: true,
    nextSeq: 2 ** 40,
    reservedSeq: 2 ** 40 + 4096,
    ackedSeq: 77,
    skippedFromSeq: 5,
    accounts: Array.from({ length: ACCOUNTS_MAX }, (_, nth) => ({
      fromSeq: nth + 1,
      toSeq: 2 ** 41 + nth,
      count: 2 ** 40,
      reason: REASONS[nth % REASONS.length]!,
      again: true,
    })),
  };

  /** A file layer whose asynchronous syncs end when the test says so. */
  function slowFiles() {
    const disk = memoryDisk();
    const mount = disk.mount();
    mount.makeFolder("/s");
    const pending: (() => void)[] = [];
    const files: FileLayer = {
      ...mount,
      open(path, mode) {
        const file = mount.open(path, mode);
        return {
          ...file,
          sync: () => new Promise<void>((resolve) => pending.push(resolve)).then(file.syncNow),
        };
      },
    };
    return { disk, files, finish: () => pending.shift()?.() };
  }

  const open = (files: FileLayer) =>
    new StateFile(files, "/s/state", readSlots(files, "/s/state", stateCodec), state);
  const onFlash = ({ disk, files }: ReturnType<typeof slowFiles>) => {
    files.syncFolderNow("/s");
    disk.cutPower();
    const content = readSlots(disk.mount(), "/s/state", stateCodec);
    return content.found === "intact" ? content.value : undefined;
  };

  test("is there when a blocking write returns, every field of it", () => {
    const bench = slowFiles();
    open(bench.files).writeNow({ ackedSeq: 78 });
    expect(onFlash(bench)).toEqual({ ...state, ackedSeq: 78 });
  });

  test("counts as there only when the sync has ended", async () => {
    const bench = slowFiles();
    const file = open(bench.files);
    const written = file.write({ reservedSeq: 9999 });
    expect(file.durable.reservedSeq).toBe(state.reservedSeq);
    expect(file.writing).toBe(true);
    bench.finish();
    await written;
    expect(file.durable.reservedSeq).toBe(9999);
    expect(onFlash(bench)?.reservedSeq).toBe(9999);
  });

  test("is whole at every moment, also where a blocking write overtakes one under way", async () => {
    const bench = slowFiles();
    const file = open(bench.files);
    const slots = () => {
      const mount = bench.disk.mount();
      const raw = Buffer.alloc(8192);
      mount.open("/s/state", "read").read(raw, 0);
      return [0, 4096].map((at) => raw.readBigUInt64LE(at + 8));
    };
    const slow = file.write({ ackedSeq: 100 });
    file.writeNow({ ackedSeq: 200 });
    const overtaking = slots();
    bench.finish();
    await slow;
    file.writeNow({ ackedSeq: 300 });
    // The slot of 200 stays as it is while the next value is written beside it.
    expect(slots().filter((counter) => overtaking.includes(counter))).toHaveLength(1);
    expect(slots()).toContain(overtaking.sort().at(-1));
    expect(onFlash(bench)?.ackedSeq).toBe(300);
  });
});
