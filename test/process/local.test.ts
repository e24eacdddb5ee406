import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { type BundleProcess, configFolder, startBundle } from "./bundle.ts";
import { type Heard, subscribe } from "./subscriber.ts";

let broker: Mosquitto;
let folder: Awaited<ReturnType<typeof configFolder>>;

beforeAll(async () => {
  broker = await startMosquitto();
  folder = await configFolder(`
device: { id: n1, name: North greenhouse }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}", reconnect: { min: 50ms, max: 200ms } }
telemetry: { interval: 50ms }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors: [{ id: air, driver: bme280 }]
actuators: [{ id: pump, driver: digital_output, pin: 22, safe: off }]
simulation: { world: { temperature: 21 } }
`);
});
afterAll(async () => {
  await broker.stop();
  await folder.remove();
});

async function fieldpost(...args: string[]) {
  const process = startBundle([...args, "--config", folder.file]);
  const { code } = await process.exited;
  return { code, stdout: process.stdout(), stderr: process.stderr() };
}

async function running(): Promise<BundleProcess> {
  const node = startBundle(["run", "--simulate", "--config", folder.file]);
  await node.printed("fieldpost is running");
  return node;
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("a running node's local socket", () => {
  test("shows the node, moves an output through its guard, and takes a reading", async () => {
    const consumer = await subscribe(broker.port);
    const node = await running();
    await pause(600);
    const view = JSON.parse((await fieldpost("status", "--json")).stdout);
    expect(view).toMatchObject({
      device: "n1",
      pid: node.child.pid,
      link: { connected: true },
      forecast: {},
      sensors: [{ id: "air", driver: "bme280", state: "ok", units: { temperature: "°C" } }],
      actuators: [{ id: "pump", state: "off" }],
    });
    expect(view.sensors[0].reading.temperature).toBeCloseTo(21, 0);
    const { stdout } = await fieldpost("status");
    for (const words of [
      /^n1, North greenhouse {2}fieldpost/,
      /connected to mqtt:/,
      /not known yet/,
      /● air .*temperature 21/,
      /● pump +off/,
    ])
      expect(stdout).toMatch(words);

    expect(await fieldpost("set", "pump", "on", "--for", "30s")).toMatchObject({
      code: 0,
      stdout: "pump: on\n",
    });
    await consumer.hear("state/pump", ({ json }) => json.state === "on" && json.cause === "local");
    expect(JSON.parse((await fieldpost("status", "--json")).stdout).actuators[0]).toMatchObject({
      state: "on",
      cause: "local",
      until_s: expect.any(Number),
    });
    const refused = await fieldpost("set", "pump", "42");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("pump: ") });
    expect((await fieldpost("read", "air")).stdout).toMatch(/^temperature +2[01]/);
    expect(await node.end("SIGTERM")).toMatchObject({ code: 0 });
    expect(existsSync(`${folder.folder}/outbox/fieldpost.sock`)).toBe(false);
    await consumer.end();
  });

  test("is missed with one clear line where no node runs", async () => {
    const { code, stderr } = await fieldpost("status");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^fieldpost: no node runs with .*fieldpost\.yaml/);
  });
});

describe("fieldpost buffer drop", () => {
  test("asks first, and where it cannot ask it drops nothing", async () => {
    await broker.down();
    const node = await running();
    await pause(500);
    await node.end("SIGKILL");
    const { code, stderr } = await fieldpost("buffer", "drop");
    expect({ code, asked: stderr.includes("--yes") }).toEqual({ code: 64, asked: true });
    expect(JSON.parse((await fieldpost("buffer", "status", "--json")).stdout).depth).toBeGreaterThan(5);
  });

  test("drops on a stopped node and on a running one, and the stream tells it all", async () => {
    const before = JSON.parse((await fieldpost("buffer", "status", "--json")).stdout);
    const stopped = await fieldpost("buffer", "drop", "--yes");
    expect(stopped).toMatchObject({
      code: 0,
      stdout: `dropped ${before.depth} records, ${before.acked_seq + 1} to ${before.last_seq}\n`,
    });
    const node = await running();
    await pause(500);
    const waiting = JSON.parse((await fieldpost("buffer", "status", "--json")).stdout);
    const live = await fieldpost("buffer", "drop", "--yes", "--to-seq", String(waiting.last_seq - 2));
    expect(live.stdout).toMatch(/^dropped \d+ records/);
    expect(node.child.exitCode).toBeNull();
    await broker.restart();
    const consumer = await subscribe(broker.port);
    const heard: Heard[] = [];
    for (let drops = 0; drops < 2; drops++)
      heard.push(
        await consumer.hear("event/dropped", ({ json }) => !heard.some((one) => one.json.seq === json.seq)),
      );
    expect(heard.map(({ json }) => json)).toEqual([
      // The account of the first drop was dropped by the second, and is told again before anything is told of that.
      expect.objectContaining({
        from_seq: before.acked_seq + 1,
        to_seq: before.last_seq,
        reason: "operator",
      }),
      expect.objectContaining({ reason: "operator" }),
    ]);
    await node.end("SIGTERM");
    await pause(200);
    // Whoever was there from the first record on has an account of every number.
    const { received, missing } = consumer.ledger.verdict();
    expect(received).toBeGreaterThan(2);
    expect(missing).toEqual([]);
    await consumer.end();
  });
});

test("an export goes into a database as it is", async () => {
  await broker.down();
  const node = await running();
  await pause(500);
  await node.end("SIGTERM");
  const { stdout } = await fieldpost("buffer", "export", "--all");
  const file = `${folder.folder}/rescued.jsonl`;
  writeFileSync(file, stdout);
  const program = `
import json, sqlite3, sys
db = sqlite3.connect(":memory:")
db.execute("create table record (stream text, seq integer, time text, clock text, historical integer, device text, topic text, sensor text, fields text, primary key (stream, seq))")
for line in open(sys.argv[1]):
    row = json.loads(line)
    row["fields"] = json.dumps(row["fields"])
    db.execute("insert into record values (:stream, :seq, :time, :clock, :historical, :device, :topic, :sensor, :fields)", row)
print(json.dumps(db.execute("select count(*), sum(json_extract(fields, '$.temperature') > 15), count(distinct seq), min(device) from record where sensor = 'air'").fetchone()))
`;
  const [count, warm, distinct, device] = JSON.parse(
    execFileSync("python3", ["-c", program, file], { encoding: "utf8" }),
  );
  expect(count).toBeGreaterThan(5);
  expect({ warm, distinct, device }).toEqual({ warm: count, distinct: count, device: "n1" });
});
