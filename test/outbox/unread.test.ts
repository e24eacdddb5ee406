import { expect, test } from "vitest";
import { type FaultyFiles, faultyFiles } from "./faulty-files.ts";
import { drop, fill, Rig, record } from "./rig.ts";

/** A node whose disk can be made to fail in whatever way. */
async function node() {
  let files!: FaultyFiles;
  const rig = new Rig({}, (real) => {
    files = faultyFiles(real);
    return files;
  });
  const outbox = await rig.open();
  return { rig, outbox, files };
}

const isSegment = (path: string) => path.endsWith(".seg");

test("a loss whose report cannot be read back after a failed sync is told anew", async () => {
  const { rig, outbox, files } = await node();
  fill(outbox, 3);
  outbox.drop(3);
  expect(outbox.takeDrops()).toEqual([drop(1, 3, "operator")]);
  outbox.append(record("report"));
  files.fault = (operation, path) =>
    isSegment(path) && ["open", "read", "sync"].includes(operation) ? "EIO" : undefined;
  await expect(outbox.sync()).rejects.toThrow("EIO");
  files.fault = () => undefined;
  await rig.clock.advance(2000);
  expect(outbox.takeDrops()).toEqual([drop(1, 3, "operator"), drop(4, 4, "corrupt")]);
});

test("a loss whose report has to go unread to make room, and is not on flash, is told anew", async () => {
  const { outbox, files } = await node();
  fill(outbox, 3);
  outbox.drop(3);
  expect(outbox.takeDrops()).toEqual([drop(1, 3, "operator")]);
  outbox.append(record("report"));
  files.fault = (operation, path) => (isSegment(path) && operation === "read" ? "EIO" : undefined);
  while (outbox.status().dropped === 3) fill(outbox, 1);
  files.fault = () => undefined;
  expect(outbox.takeDrops()).toEqual([drop(1, 3, "operator"), expect.objectContaining({ fromSeq: 4 })]);
});

test("what was acknowledged ahead is not lost where a failed sync leaves nothing to be read back", async () => {
  const { rig, outbox, files } = await node();
  fill(outbox, 10);
  outbox.ackAhead(6, 8);
  files.fault = (operation, path) =>
    isSegment(path) && ["open", "read", "sync"].includes(operation) ? "EIO" : undefined;
  await expect(outbox.sync()).rejects.toThrow("EIO");
  files.fault = () => undefined;
  await rig.clock.advance(2000);
  const counted = outbox.takeDrops().reduce((sum, { count }) => sum + count, 0);
  expect(counted).toBe(7);
});

test("what was acknowledged ahead is not lost where the log is damaged", async () => {
  const { rig, outbox } = await node();
  fill(outbox, 10);
  await outbox.sync();
  outbox.ackAhead(6, 8);
  rig.edit("00000001.seg", (bytes) => bytes.fill(1, 64 + 4 * 100 + 30, 64 + 9 * 100));
  expect(outbox.peek(1, 10).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 10]);
  const counted = outbox.takeDrops().reduce((sum, { count }) => sum + count, 0);
  expect(counted).toBe(2);
});
