import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { type BundleProcess, bundlePath, startBundle } from "../process/bundle.ts";

const page = readFileSync(new URL("../../docs/mqtt.md", import.meta.url), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, text]) => text!);
const [config] = blocks("yaml");
const scripts = blocks("sh");

let broker: Mosquitto;
let node: BundleProcess;
let folder: string;

/** The page's text with the test's own port in the place of MQTT's. */
const here = (text: string) => text.replaceAll(/(localhost:|-p )1883/g, `$1${broker.port}`);

beforeAll(async () => {
  broker = await startMosquitto();
  folder = mkdtempSync(join(tmpdir(), "fieldpost-page-"));
  mkdirSync(join(folder, "bin"));
  const command = join(folder, "bin/fieldpost");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${bundlePath}" "$@"\n`);
  chmodSync(command, 0o755);
  writeFileSync(join(folder, "node.yaml"), here(config!));
  node = startBundle(["run", "--simulate", "--config", join(folder, "node.yaml")]);
  await node.printed("connected to the broker", 30_000);
}, 60_000);
afterAll(async () => {
  await node.end("SIGTERM");
  await broker.stop();
  rmSync(folder, { recursive: true });
});

async function shell(script: string): Promise<string> {
  const child = spawn("bash", ["-e", "-c", here(script)], {
    cwd: folder,
    env: { ...process.env, PATH: `${join(folder, "bin")}${delimiter}${process.env["PATH"]}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  let complaint = "";
  child.stderr.on("data", (data) => {
    complaint += data;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code, `${script}\n${out}${complaint}`).toBe(0);
  return out;
}

describe("the page on MQTT", { timeout: 60_000 }, () => {
  test("shows readings and status to mosquitto_sub", async () => {
    const [reading, status] = (await shell(scripts[0]!)).trim().split("\n");
    expect(JSON.parse(reading!)).toMatchObject({ seq: expect.any(Number), temperature: expect.any(Number) });
    expect(status).toBe("fieldpost/greenhouse-1/status online");
  });

  test("shows a reading to fieldpost sub", async () => {
    expect(await shell(scripts[1]!)).toMatch(/^fieldpost\/greenhouse-1\/telemetry\/air \{"seq":\d+/);
  });

  test("moves an output with mosquitto_pub and shows the result", async () => {
    expect(JSON.parse(await shell(scripts[2]!))).toMatchObject({ id: "a1", status: "done", state: "on" });
  });

  test("moves it with fieldpost pub and shows its state", async () => {
    // What the broker has retained may be a moment older than the command.
    await expect
      .poll(async () => JSON.parse(await shell(scripts[3]!)), { timeout: 15_000 })
      .toMatchObject({ state: "off", cause: "command" });
  });

  test("proves that nothing is missing", async () => {
    expect(await shell(scripts[4]!)).toMatch(/greenhouse-1 +\d+-\d+ +\d+ +0 /);
  });

  test("has no command that this test does not run", () => {
    expect(scripts).toHaveLength(5);
  });
});
