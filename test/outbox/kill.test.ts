import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { inspectOutbox } from "../../src/outbox/inspect.ts";
import { openOutbox } from "../../src/outbox/open.ts";
import { drain, numbers } from "./rig.ts";

const root = mkdtempSync(join(tmpdir(), "fieldpost-kill-"));
const script = join(root, "appender.mjs");
const BOOT_ID = "b0000001";

/** Appends records that name themselves until it is killed, and says each number after `append` returned it. */
const APPENDER = `
import { writeSync } from "node:fs";
import { VirtualClock } from "./src/device/sim/clock.ts";
import { nodeFiles } from "./src/outbox/files/node.ts";
import { openOutbox } from "./src/outbox/open.ts";
const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0), bootId: "${BOOT_ID}" });
const options = { path: process.argv[2], maxSizeBytes: 64 * 1024 * 1024, maxAgeMs: 1e9, whenFull: "drop_oldest", syncAfterMs: 1000 };
const outbox = await openOutbox(options, { files: nodeFiles(), clock, random: () => 0.5 });
for (;;) {
  const seq = outbox.append(Buffer.from(String(outbox.status().nextSeq).padEnd(80, ".")));
  writeSync(1, seq + "\\n");
}
`;

beforeAll(async () => {
  await build({
    stdin: { contents: APPENDER, resolveDir: process.cwd(), loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: script,
    logLevel: "error",
  });
});
afterAll(() => rmSync(root, { recursive: true }));

/** Runs the appender until it has said `count` numbers, kills it, and returns the last one that it said. */
function killAfter(folder: string, count: number): Promise<number> {
  const child = spawn(process.execPath, [script, folder], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    if (said.length > count * 5) child.kill("SIGKILL");
  });
  return new Promise((resolve) => {
    child.on("close", () => resolve(Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1))));
  });
}

test("whatever a process has said it appended is there after SIGKILL, without a hole", async () => {
  const folder = join(root, "outbox");
  const options = {
    path: folder,
    maxSizeBytes: 64 * 1024 * 1024,
    maxAgeMs: 1e9,
    whenFull: "drop_oldest",
    syncAfterMs: 1000,
  } as const;
  let saidSeq = 0;
  for (const count of [50, 3000, 900]) {
    saidSeq = await killAfter(folder, count);
    expect(inspectOutbox(folder, nodeFiles()).lastSeq).toBeGreaterThanOrEqual(saidSeq);
  }
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0), bootId: BOOT_ID });
  const outbox = await openOutbox(options, { files: nodeFiles(), clock, random: () => 0.5 });
  expect(outbox.opening).toMatchObject({ run: 4, lastEnd: "killed" });
  const there = drain(outbox);
  expect(there).toEqual(numbers(1, there.length));
  expect(there.length).toBeGreaterThanOrEqual(saidSeq);
  expect(outbox.takeDrops()).toEqual([]);
  await outbox.close();
});
