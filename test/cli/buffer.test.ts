import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, test, vi } from "vitest";
import { Ledger } from "../../src/audit/ledger.ts";
import { buffer } from "../../src/cli/buffer.ts";
import type { CliIo } from "../../src/cli/io.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { silentLog } from "../../src/log.ts";
import { dropWaiting } from "../../src/node/drop.ts";
import { recordDrops } from "../../src/node/watch.ts";
import type { FileLayer } from "../../src/outbox/files/files.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { openOutbox } from "../../src/outbox/open.ts";
import type { Outbox } from "../../src/outbox/outbox.ts";
import { decodeSample } from "../../src/record/record.ts";
import { createRecorder, type Recorder } from "../../src/record/recorder.ts";
import { seriesOf } from "../../src/record/series.ts";

const root = mkdtempSync(join(tmpdir(), "fieldpost-buffer-"));
afterAll(() => rmSync(root, { recursive: true }));

/** No power is cut here: syncs are only waited for in vain. */
function unsynced(files: FileLayer): FileLayer {
  const open: FileLayer["open"] = (path, mode) => ({
    ...files.open(path, mode),
    syncNow() {},
    async sync() {},
  });
  return { ...files, open };
}

/** A node's outbox of 1 MiB that thins, and its configuration. */
async function node(name: string) {
  const path = join(root, name);
  const config = join(root, `${name}.yaml`);
  writeFileSync(
    config,
    `device: { id: n1 }
mqtt: { url: "mqtt://broker.invalid" }
buffer: { path: ${path}, max_size: 1MiB, max_age: 36500d, when_full: thin }
sensors: [{ id: air, driver: bme280 }]
`,
  );
  const clock = new VirtualClock({ wallMs: Date.UTC(2026, 0), bootId: "b0000001" });
  const sizes = { maxSizeBytes: 1024 ** 2, maxAgeMs: 1e12, syncAfterMs: 0 };
  const outbox = await openOutbox(
    { path, whenFull: "thin", ...sizes },
    { files: unsynced(nodeFiles()), clock, random: Math.random, seriesOf },
  );
  const recorder = createRecorder(outbox, clock, () => false);
  recorder.record("event/boot", { boot: outbox.opening.run, stream: outbox.opening.stream });
  const store = (count: number) => {
    for (let left = count; left > 0; left--)
      recorder.record("telemetry/air", { value: left, note: "x".repeat(150) });
  };
  return { outbox, recorder, store, config };
}

/** Runs `fieldpost buffer`; `meanwhile` comes between two pieces of its output. */
async function run(args: readonly string[], meanwhile = () => {}) {
  const said = { stdout: "", stderr: "" };
  const io: CliIo = {
    stdout(text) {
      said.stdout += text;
      meanwhile();
    },
    stderr: (text) => (said.stderr += text),
    env: {},
    cwd: root,
    isTty: false,
    columns: 80,
  };
  const code = await buffer([...args], io, "0.0.0");
  return { code, ...said, lines: said.stdout.split("\n").filter((line) => line.startsWith("{")) };
}

const seqsOf = (lines: readonly string[]) => lines.map((line) => (JSON.parse(line) as { seq: number }).seq);

/** Delivers all that waits, losses told, and judges the stream as a consumer would that has heard `ledger` so far. */
function settle(outbox: Outbox, recorder: Recorder, ledger = new Ledger("n1")) {
  for (let page = outbox.peek(1, 500); page.length > 0; page = outbox.peek(1, 500)) {
    for (const { seq, record } of page) {
      const { topic, fieldsJson } = decodeSample(record);
      ledger.observe(topic, `{"seq":${seq},${fieldsJson}}`);
    }
    outbox.ack(page.at(-1)!.seq);
    recordDrops(outbox, recorder, silentLog);
  }
  return ledger.verdict();
}

describe("fieldpost buffer over an outbox that was thinned", () => {
  test("says what waits and what was given up, and shows each record that is left once, in order", async () => {
    const { outbox, store, config } = await node("stopped");
    store(8_000);
    const { depth, depthBytes, givenUp } = outbox.status();
    await outbox.close();
    expect(givenUp).toBeGreaterThan(1_000);
    const status = JSON.parse((await run(["status", "--json", "--config", config])).stdout);
    expect(status).toMatchObject({
      depth,
      depth_bytes: depthBytes,
      given_up: givenUp,
      last_seq: 8_001,
      acked_seq: 0,
    });
    expect(status.oldest).toBe("2026-01-01T00:00:00.000Z");
    expect(depth + givenUp).toBe(8_001);
    const text = await run(["status", "--config", config]);
    expect(text.stdout).toMatch(new RegExp(`^given up +${givenUp} readings between those that wait`, "m"));

    const { lines } = await run(["export", "--all", "--config", config]);
    const seqs = seqsOf(lines);
    expect(seqs).toHaveLength(depth);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(seqsOf((await run(["export", "--config", config])).lines)).toEqual(seqs);
    const peek = await run(["peek", "--count", "20", "--json", "--config", config]);
    expect(seqsOf(peek.lines)).toEqual(seqs.slice(0, 20));
    expect(peek.stderr).toContain(`${depth - 20} more`);
  });

  test("exports each record at most once, in order, while the node goes on thinning beneath it", async () => {
    const { outbox, store, config } = await node("running");
    store(8_000);
    const before = outbox.status();
    const { lines } = await run(["export", "--all", "--config", config], () => store(400));
    expect(outbox.status().givenUp).toBeGreaterThan(before.givenUp);
    const seqs = seqsOf(lines);
    expect(seqs.length).toBeGreaterThan(500);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    await outbox.close();
  });

  test.each(["itself", "a node"])("drops what is left and tells of all the rest, by %s", async (by) => {
    const { outbox, recorder, store, config } = await node(`drop-${by.replace(" ", "-")}`);
    store(8_000);
    const { depth, givenUp, nextSeq } = outbox.status();
    if (by === "a node") {
      expect(await dropWaiting(outbox, recorder, silentLog, nextSeq - 1)).toEqual({
        count: depth,
        fromSeq: 1,
        toSeq: nextSeq - 1,
      });
      expect(outbox.status().dropped).toBe(depth + givenUp);
      expect(settle(outbox, recorder)).toMatchObject({ lost: 0, dropped: depth + givenUp });
      await outbox.close();
      return;
    }
    await outbox.close();
    const { stdout } = await run(["drop", "--yes", "--config", config]);
    expect(stdout).toBe(`dropped ${depth} records, 1 to ${nextSeq - 1}\n`);
    const next = await node("drop-itself");
    expect(settle(next.outbox, next.recorder)).toMatchObject({ lost: 0 });
    expect(next.outbox.status().givenUp).toBe(0);
    await next.outbox.close();
  });
});

describe("fieldpost buffer", () => {
  test.each(["status", "peek", "export"])(
    "%s does not take a folder without an outbox for an empty one",
    async (action) => {
      const folder = join(root, "empty");
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "boots.json"), "{}");
      const somewhere = [folder, join(folder, "absent"), join(folder, "boots.json")];
      for (const path of somewhere)
        await expect(run([action, "--path", path])).rejects.toMatchObject({
          message: `${path}: there is no outbox here`,
          exitCode: 1,
        });
    },
  );

  test("says what only the running node knows: what it dropped, that its disk refuses records, and where they are", async (context) => {
    const { outbox, store, config } = await node("refused");
    store(3);
    const view = {
      forecast: { offline_days: 12 },
      outbox: { fault: "ENOSPC: no space left on device, write", dropped: 7 },
    };
    const socket = createServer((client) =>
      client.once("data", () => client.end(`${JSON.stringify({ ok: true, value: view })}\n`)),
    );
    await new Promise<void>((resolve) => socket.listen(join(root, "refused", "fieldpost.sock"), resolve));
    context.onTestFinished(async () => {
      await outbox.close();
      await new Promise((resolve) => socket.close(resolve));
    });
    const { stdout } = await run(["status", "--config", config]);
    expect(stdout).toContain("be offline for 12 days");
    expect(stdout).toMatch(/^dropped +7 records in this run$/m);
    expect(stdout).toMatch(/^disk fails +ENOSPC: .*: the youngest records are only in the node's memory$/m);
    expect(JSON.parse((await run(["status", "--json", "--config", config])).stdout)).toMatchObject({
      fault: "ENOSPC: no space left on device, write",
    });
  });

  test("drop says how many records it would drop, and takes the end of the input for a no", async (context) => {
    const { outbox, store, config } = await node("asked");
    store(30);
    outbox.ack(10);
    await outbox.close();
    const terminal = Object.assign(new PassThrough(), { isTTY: true });
    const asked = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const stdin = vi.spyOn(process, "stdin", "get").mockReturnValue(terminal as never);
    context.onTestFinished(() => {
      asked.mockRestore();
      stdin.mockRestore();
    });
    const dropping = run(["drop", "--to-seq", "25", "--config", config]);
    await vi.waitFor(() => expect(asked).toHaveBeenCalled());
    terminal.end();
    expect(await dropping).toMatchObject({ code: 1, stderr: "nothing was dropped\n" });
    expect(asked.mock.calls.join("")).toContain("Drop 15 records up to number 25,");
  });
});
