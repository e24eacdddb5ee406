import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { openBdSeq } from "../../src/sparkplug/bd-seq.ts";
import { createPrimaryHost } from "../../src/sparkplug/primary-host.ts";
import { recordingLog } from "../mqtt/rig.ts";

describe("the number of a connection", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "fieldpost-bdseq-"));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const open = (log = recordingLog()) => openBdSeq(nodeFiles(), join(folder, "n"), log);

  test("starts at 0, goes on in the next run without a clean end, and round after 255", () => {
    const first = open();
    expect([first.next(), first.next()]).toEqual([0, 1]);
    const second = open();
    expect(second.next()).toBe(2);
    for (let count = 3; count < 256; count++) second.next();
    expect(second.current()).toBe(255);
    expect(open().next()).toBe(0);
  });

  test.each(["", "12", "999\n", "x\0\0\n"])("starts again where %j was left, and says so", async (left) => {
    await writeFile(join(folder, "n"), left);
    const log = recordingLog();
    expect(open(log).next()).toBe(0);
    expect(log.lines).toEqual(["warn the number of the last connection is damaged: they start at 0 again"]);
    expect(await readFile(join(folder, "n"), "utf8")).toContain("000\n");
  });

  test("goes on in memory where the disk refuses", () => {
    const log = recordingLog();
    const numbers = openBdSeq(nodeFiles(), join(folder, "no/such/folder"), log);
    expect([numbers.next(), numbers.next()]).toEqual([0, 1]);
    expect(log.lines).toEqual(["warn the number of the connection is not remembered"]);
  });
});

describe("the primary host", () => {
  const state = (text: string) => Buffer.from(text);

  test("is what its newest state says, and a will of an earlier life counts for nothing", () => {
    const host = createPrimaryHost();
    expect(host.online()).toBe(false);
    expect(host.hear(state('{"online":true,"timestamp":20}'))).toBe("online");
    expect(host.hear(state('{"online":false,"timestamp":10}'))).toBeUndefined();
    expect(host.online()).toBe(true);
    expect(host.hear(state('{"online":false,"timestamp":20}'))).toBe("offline");
    host.forget();
    expect(host.online()).toBe(false);
  });

  test("is what a new connection shows, also where its clock was set back or another broker is an older host's", () => {
    const host = createPrimaryHost();
    expect(host.hear(state('{"online":true,"timestamp":100}'))).toBe("online");
    host.forget();
    expect(host.hear(state('{"online":true,"timestamp":50}'))).toBe("online");
  });

  test.each([
    "",
    "ONLINE",
    "null",
    "[]",
    '{"online":"true","timestamp":1}',
    '{"online":true}',
    '{"online":false,"timestamp":1e999}',
    "x".repeat(2_000),
  ])("does not listen to %j", (text) => {
    const host = createPrimaryHost();
    expect(host.hear(state(text))).toBeUndefined();
    expect(host.online()).toBe(false);
  });
});
