import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../src/device/random.ts";
import { type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";
import { SEED, sampleOf } from "../exhaustive.ts";
import { bundlePath, configFolder, startBundle } from "./bundle.ts";
import { subscribe } from "./subscriber.ts";

let broker: Mosquitto;
let folder: Awaited<ReturnType<typeof configFolder>>;

beforeAll(async () => {
  broker = await startMosquitto();
  folder = await configFolder(`
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:${broker.port}", reconnect: { min: 50ms, max: 200ms } }
telemetry: { interval: 100ms }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors:
  - { id: air, driver: bme280, filters: [{ temperature: [{ offset: -100 }] }] }
actuators:
  - { id: pump, driver: digital_output, pin: 22, safe: off }
simulation: { world: { temperature: 21 } }
`);
});

afterAll(async () => {
  await broker.stop();
  await folder.remove();
});

async function fieldpost(...args: string[]) {
  const process = startBundle(args);
  const { code } = await process.exited;
  return { code, stdout: process.stdout(), stderr: process.stderr() };
}

const config = () => ["--config", folder.file];

describe("the bundle", () => {
  test("says its version", async () => {
    expect(await fieldpost("--version")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^fieldpost \d+\.\d+\.\d+\n$/),
    });
  });

  test("says in one line that its output found no room, and fails", () => {
    const full = openSync("/dev/full", "w");
    const stdio = ["ignore", full, "pipe"] as const;
    const { status, stderr } = spawnSync(process.execPath, [bundlePath, "schema"], { stdio: [...stdio] });
    closeSync(full);
    expect(String(stderr)).toBe("fieldpost: stdout: ENOSPC: no space left on device, write\n");
    expect(status).toBe(1);
  });

  test("lists its commands, and explains each", async () => {
    const { stdout } = await fieldpost("--help");
    const names = [...stdout.matchAll(/^ {2}(\w+) {2,}\S/gm)].map((match) => match[1]!);
    expect(names).toEqual(
      expect.arrayContaining([
        "run",
        "demo",
        "check",
        "init",
        "read",
        "set",
        "status",
        "buffer",
        "audit",
        "drivers",
        "schema",
      ]),
    );
    for (const name of sampleOf(names, 4, seededRandom(SEED))) {
      expect(await fieldpost(name, "--help"), `SEED=${SEED}`).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(`usage: fieldpost ${name}`),
      });
    }
  });

  test.each([
    [["reed"], 'unknown command "reed"'],
    [["read"], "read takes one SENSOR"],
    [["run", "--bogus"], "Unknown option '--bogus'"],
    [["set", "pump"], "set takes an ACTUATOR and a VALUE"],
    [["buffer", "eat"], "buffer takes one of status, peek, export and drop"],
    [["audit", "n1"], "audit needs a broker"],
    [["audit", "--broker", "http://x", "n1"], "--broker: expected a URL that starts with mqtt://"],
    [["demo", "--cycles", "many"], "--cycles many: expected a whole number"],
  ])("answers the wrong usage %j with one clear line and 64", async (args, message) => {
    const { code, stdout, stderr } = await fieldpost(...args);
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    expect(stderr).toContain(`fieldpost: ${message}`);
    expect(stderr).not.toContain("    at ");
  });

  test("answers a configuration that is not there with 78 and how to get one", async () => {
    const { code, stderr } = await fieldpost("run", "--config", "/nowhere/fieldpost.yaml");
    expect(code).toBe(78);
    expect(stderr).toContain("cannot read /nowhere/fieldpost.yaml: it does not exist");
    expect(stderr).toContain("fieldpost init");
  });

  test("prints the JSON Schema of the configuration", async () => {
    const { code, stdout } = await fieldpost("schema");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ type: "object", properties: { device: {}, mqtt: {} } });
  });
});

describe("fieldpost read", () => {
  test("prints one reading with its units, filtered as the node would", async () => {
    const { code, stdout } = await fieldpost("read", "air", "--simulate", ...config());
    expect(code).toBe(0);
    expect(stdout).toMatch(/^temperature {2}-79 °C\nhumidity +\d+(\.\d+)? %\npressure +\d+(\.\d+)? hPa\n$/);
  });

  test("prints JSON where asked", async () => {
    const { stdout } = await fieldpost("read", "air", "--simulate", "--json", ...config());
    expect(JSON.parse(stdout)).toMatchObject({ sensor: "air", temperature: -79 });
  });

  test("names the sensors there are where it does not know the one asked for", async () => {
    const { code, stderr } = await fieldpost("read", "are", "--simulate", ...config());
    expect(code).toBe(64);
    expect(stderr).toContain('no sensor "are"; it has air');
  });

  test("says what is wrong with the bus, and how to mend it", async () => {
    const { code, stderr } = await fieldpost("read", "air", ...config());
    expect(code).toBe(1);
    expect(stderr).toContain("air: ");
    expect(stderr).toContain("i2c");
    expect(stderr).not.toContain("    at ");
  });
});

describe("fieldpost set", () => {
  test("moves an output for a while and leaves it safe", async () => {
    const { code, stdout } = await fieldpost(
      "set",
      "pump",
      "on",
      "--for",
      "100ms",
      "--simulate",
      ...config(),
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "pump: on\npump: off\n" });
  });

  test("refuses a value that the actuator cannot take", async () => {
    const { code, stderr } = await fieldpost("set", "pump", "42", "--simulate", ...config());
    expect(code).toBe(1);
    expect(stderr).toContain("pump: ");
  });
});

describe("fieldpost safe", () => {
  test("makes every actuator safe from nothing but the configuration", async () => {
    const { code, stdout } = await fieldpost("safe", "--simulate", ...config());
    expect({ code, stdout }).toEqual({ code: 0, stdout: "pump: off\n" });
  });

  test("says which outputs it leaves alone because they are wrong, and what it did with the others", async () => {
    const wrong = await configFolder(`
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1" }
actuators:
  - { id: pump, driver: digital_outptu, pin: 22 }
  - { id: gate, driver: cover, open_pin: 5, close_pin: 6, open_time: 10s, safe: close }
`);
    const { code, stdout, stderr } = await fieldpost("safe", "--simulate", "--config", wrong.file);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "gate: stop\n" });
    expect(stderr).toContain("fieldpost: NOT made safe, because of what is wrong above: pump\n");
    await wrong.remove();
  });

  test("says that no output is safe where the configuration cannot be read at all", async () => {
    const torn = await configFolder("actuators:\n\t- { id: pump, driver: digital_output, pin: 22 }\n");
    const { code, stderr } = await fieldpost("safe", "--simulate", "--config", torn.file);
    expect(code).toBe(78);
    expect(stderr).toContain("fieldpost: NO output was made safe: the configuration cannot be read\n");
    await torn.remove();
  });

  test("says which actuator it could not make safe, and why, and exits with 1", async () => {
    // This machine may have no GPIO, or one that this user may not use; either way no line 22 that is a pump.
    const { code, stderr } = await fieldpost("safe", ...config());
    if (code !== 0) expect(stderr).toMatch(/^fieldpost: pump: not safe: \S/);
    expect(code === 0 || code === 1).toBe(true);
  });
});

describe("fieldpost buffer and audit", () => {
  test("look at a node that runs, and set has it move its own output", async () => {
    const node = startBundle(["run", "--simulate", ...config()]);
    await node.printed("fieldpost is running");
    const audit = startBundle(["audit", "--broker", broker.url, "--for", "2s", "--json", "n1"]);
    await audit.printed("listening");
    await new Promise((resolve) => setTimeout(resolve, 1_000));

    const status = JSON.parse((await fieldpost("buffer", "status", "--json", ...config())).stdout);
    expect(status).toMatchObject({ run: 1, owner_pid: node.child.pid, damaged: [] });
    const moved = await fieldpost("set", "pump", "on", "--simulate", ...config());
    expect(moved).toMatchObject({ code: 0, stdout: "pump: on\n" });
    const second = await fieldpost("run", "--simulate", ...config());
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`in use by process ${node.child.pid}`);

    expect(await audit.exited).toMatchObject({ code: 0 });
    const [verdict] = JSON.parse(audit.stdout());
    expect(verdict).toMatchObject({ device: "n1", lost: 0, duplicates: 0 });
    expect(verdict.received).toBeGreaterThan(5);
    expect(await node.end("SIGTERM")).toMatchObject({ code: 0 });
  });

  test("export what the broker has not had, as lines that a database can import", async () => {
    await broker.down();
    const node = startBundle(["run", "--simulate", ...config()]);
    await node.printed("fieldpost is running");
    await new Promise((resolve) => setTimeout(resolve, 600));
    await node.end("SIGTERM");
    const { stdout } = await fieldpost("buffer", "export", ...config());
    const records = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records[0]).toMatchObject({ topic: "event/boot", fields: { boot: 2 } });
    expect(records.filter(({ topic }) => topic === "telemetry/air").length).toBeGreaterThan(3);
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => records[0].seq + index));
    const peek = await fieldpost("buffer", "peek", "--count", "2", ...config());
    expect(peek.stdout.trim().split("\n")).toHaveLength(2);
    expect(peek.stderr).toContain(`${records.length - 2} more`);

    await broker.restart();
    const consumer = await subscribe(broker.port);
    const next = startBundle(["run", "--simulate", ...config()]);
    const last = records.at(-1)!;
    await consumer.hear(last.topic, ({ json }) => json.seq === last.seq && json.historical === true);
    expect(consumer.ledger.verdict().lost).toBe(0);
    await next.end("SIGTERM");
    await consumer.end();
  });
});

test("the demo shows the cut, the backlog and the verdict of each cycle", async () => {
  const { code, stdout } = await fieldpost("demo", "--cycles", "2", "--period", "4s");
  expect(code).toBe(0);
  expect(stdout.match(/cut {3}the link to the broker is gone/g)).toHaveLength(2);
  expect(stdout.match(/back {2}the link is back; \d+ records to catch up with/g)).toHaveLength(2);
  expect(stdout.match(/: 0 lost, 0 duplicated/g)).toHaveLength(2);
  expect(stdout).toMatch(/result\/pump .*done/);
}, 30_000);
