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
const [, , path, tail] = process.argv;
const options = { path, tail, maxSizeBytes: 64 * 1024 * 1024, maxAgeMs: 1e9, whenFull: "drop_oldest", syncAfterMs: 1000 };
const outbox = await openOutbox(options, { files: nodeFiles(), clock, random: () => 0.5 });
if (tail && outbox.status().tailFault) throw new Error(outbox.status().tailFault);
for (let count = 1; ; count++) {
  const seq = outbox.append(Buffer.from(String(outbox.status().nextSeq).padEnd(80, ".")));
  writeSync(1, seq + "\\n");
  // What waits moves to flash in the background: the kill comes before, in the middle of and behind that.
  if (count % 500 === 0) await clock.advance(1000);
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
function killAfter(count: number, ...args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    if (said.length > count * 5) child.kill("SIGKILL");
  });
  return new Promise((resolve) => {
    child.on("close", () => resolve(Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1))));
  });
}

test.concurrent("whatever a process has said it appended is there after SIGKILL, without a hole", async () => {
  await keepsEverything(join(root, "outbox"));
});

test.concurrent("so it is where the youngest records are in a tail on a tmpfs", async () => {
  const tail = mkdtempSync("/dev/shm/fieldpost-test-");
  try {
    await keepsEverything(join(root, "outbox-with-tail"), tail);
  } finally {
    rmSync(tail, { recursive: true });
  }
});

async function keepsEverything(folder: string, tail?: string): Promise<void> {
  const files = nodeFiles();
  let saidSeq = 0;
  for (const count of [50, 3000, 900]) {
    saidSeq = await killAfter(count, folder, ...(tail ? [tail] : []));
    expect(inspectOutbox(folder, files, tail).lastSeq).toBeGreaterThanOrEqual(saidSeq);
  }
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0), bootId: BOOT_ID });
  const outbox = await openOutbox(
    {
      path: folder,
      tail,
      maxSizeBytes: 64 * 1024 * 1024,
      maxAgeMs: 1e9,
      whenFull: "drop_oldest",
      syncAfterMs: 1000,
    },
    { files, clock, random: () => 0.5 },
  );
  expect(outbox.opening).toMatchObject({ run: 4, lastEnd: "killed" });
  expect(outbox.opening.skipped).toBeUndefined();
  const there = drain(outbox);
  expect(there).toEqual(numbers(1, there.length));
  expect(there.length).toBeGreaterThanOrEqual(saidSeq);
  expect(outbox.takeDrops()).toEqual([]);
  await outbox.close();
}
