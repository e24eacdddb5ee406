import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { startMosquitto } from "../broker/mosquitto.ts";
import { until } from "../mqtt/field-node.ts";
import { startHost } from "./host.ts";

const program = fileURLToPath(new URL("../../dist/fieldpost.js", import.meta.url));
const PATIENCE_MS = 30_000;

describe.concurrent("a Sparkplug node whose process is killed", { timeout: 120_000 }, () => {
  test.each(["oldest_first", "live_first"])(
    "dies by the number of its birth each time, and loses nothing: %s",
    async (order) => {
      const broker = await startMosquitto();
      const host = await startHost(`mqtt://127.0.0.1:${broker.port}`, "plant", "n1");
      const folder = await mkdtemp(join(tmpdir(), "fieldpost-killed-"));
      const file = join(folder, "fieldpost.yaml");
      await writeFile(
        file,
        `device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}", convention: sparkplug_b, sparkplug: { group: plant } }
buffer: { path: ${join(folder, "outbox")}, replay: { order: ${order} } }
sensors: [{ id: air, driver: bme280, interval: 200ms }]
`,
      );
      const numbers = (verb: string) =>
        host.heard
          .filter((message) => message.verb === verb)
          .map(({ metrics }) => Number(metrics.find(({ name }) => name === "bdSeq")?.value));
      try {
        for (let run = 1; run <= 3; run++) {
          const before = host.values("air", "seq").length;
          const node = spawn(process.execPath, [program, "run", "--simulate", "--config", file], {
            stdio: "ignore",
          });
          const gone = once(node, "exit");
          try {
            await until(() => host.values("air", "seq").length > before + 3, PATIENCE_MS, "readings");
          } finally {
            node.kill("SIGKILL");
            await gone;
          }
          await until(() => numbers("NDEATH").length === run, PATIENCE_MS, "the will");
        }
        expect(numbers("NDEATH")).toEqual(numbers("NBIRTH"));
        const records = [host.values("air", "seq"), host.values(undefined, "seq")]
          .flat()
          .map(({ value }) => Number(value));
        const distinct = [...new Set(records)].sort((one, other) => one - other);
        expect(distinct).toEqual(Array.from({ length: distinct.length }, (_, index) => index + 1));
        expect(host.faults).toEqual([]);
      } finally {
        await host.stop();
        await broker.stop();
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
