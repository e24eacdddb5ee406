import { expect, test } from "vitest";
import { createPacketIds } from "../../../src/mqtt/link/packet-ids.ts";

test("an identifier in use is not given again, however often the numbers go round", () => {
  const ids = createPacketIds();
  const stuck = ids.allocate();
  for (let message = 0; message < 200_000; message++) {
    const id = ids.allocate()!;
    expect(id).not.toBe(stuck);
    ids.deallocate(id);
  }
});

test("there are 65,535 identifiers, and none when all are in use", () => {
  const ids = createPacketIds();
  const given = new Set(Array.from({ length: 65_535 }, () => ids.allocate()));
  expect(given.size).toBe(65_535);
  expect(given.has(0)).toBe(false);
  expect(ids.allocate()).toBeNull();
  ids.deallocate(77);
  expect(ids.allocate()).toBe(77);
});
