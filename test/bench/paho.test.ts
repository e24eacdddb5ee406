import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { afterAll, expect, test } from "vitest";
import { buildPaho } from "../../bench/peers/paho.ts";
import { startMosquitto } from "../broker/mosquitto.ts";

const folder = mkdtempSync(join(tmpdir(), "fieldpost-paho-"));
const paho = spawnSync("go", ["version"]).status === 0 ? buildPaho(folder) : "Go is not installed";

afterAll(() => rmSync(folder, { recursive: true }));

test.skipIf(typeof paho === "string")(
  "the program in Go publishes each message once and waits for its PUBACK",
  {
    timeout: 60_000,
  },
  async () => {
    if (typeof paho === "string") throw new Error(paho);
    const broker = await startMosquitto();
    const listener = await connectAsync(broker.url);
    const received: string[] = [];
    listener.on("message", (topic, payload) => received.push(`${topic} ${payload}`));
    try {
      await listener.subscribeAsync("bench/#", { qos: 1 });
      const run = await paho.publish(broker.port, 50, 8, { topic: "bench/air", payload: '{"seq":1}' });
      await expect.poll(() => received.length).toBe(50);
      expect(new Set(received)).toEqual(new Set(['bench/air {"seq":1}']));
      expect(run.firstMs).toBeLessThanOrEqual(run.tookMs);
      expect(run.cpuMs).toBeGreaterThan(0);
    } finally {
      await listener.endAsync();
      await broker.stop();
    }
  },
);

test("where there is no Go, the bench says which packages it needs", () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  try {
    expect(buildPaho(tmpdir())).toContain("install golang-go golang-github-eclipse-paho.mqtt.golang-dev");
  } finally {
    process.env["PATH"] = path;
  }
});
