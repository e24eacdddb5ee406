import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { check } from "../../src/cli/check.ts";
import { drivers } from "../../src/cli/drivers.ts";
import { CliError } from "../../src/cli/exit.ts";
import { init } from "../../src/cli/init.ts";
import type { CliIo } from "../../src/cli/io.ts";
import { schema } from "../../src/cli/schema.ts";
import { templates } from "../../src/cli/templates/index.ts";

let cwd = "";
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), "fieldpost-cli-"));
});
afterAll(() => rm(cwd, { recursive: true }));

type Command = (args: string[], io: CliIo) => Promise<number>;

/** Runs a command; what main does with an error is done here too. */
async function run(command: Command, ...args: string[]) {
  const said = { stdout: "", stderr: "", exitCode: 0 };
  const io: CliIo = {
    stdout: (text) => (said.stdout += text),
    stderr: (text) => (said.stderr += text),
    env: {},
    cwd,
    isTty: false,
    columns: 80,
  };
  try {
    said.exitCode = await command(args, io);
  } catch (error) {
    said.stderr += (error as Error).message;
    said.exitCode = error instanceof CliError ? error.exitCode : 64;
  }
  return said;
}

const file = (name: string, text: string) => writeFile(join(cwd, name), text);

describe("fieldpost init", () => {
  test.each([...templates.keys()])(
    "writes %s, which passes its own check without a warning",
    async (name) => {
      expect(await run(init, "--template", name, `${name}.yaml`)).toMatchObject({ exitCode: 0, stdout: "" });
      const checked = await run(check, `${name}.yaml`);
      expect(checked).toMatchObject({ exitCode: 0, stderr: "" });
      expect(checked.stdout).toMatch(new RegExp(`^${name}\\.yaml: ok\n`));
    },
  );

  test("writes to stdout where no file is named", async () => {
    expect((await run(init, "--template", "pump")).stdout).toBe(templates.get("pump"));
    expect((await run(init)).stdout).toBe(templates.get("greenhouse"));
  });

  test("overwrites nothing unless forced", async () => {
    await file("mine.yaml", "mine");
    expect(await run(init, "mine.yaml")).toMatchObject({
      exitCode: 1,
      stderr: "mine.yaml exists; --force overwrites it",
    });
    expect(await readFile(join(cwd, "mine.yaml"), "utf8")).toBe("mine");
    expect(await run(init, "--force", "mine.yaml")).toMatchObject({ exitCode: 0 });
    expect(await readFile(join(cwd, "mine.yaml"), "utf8")).toBe(templates.get("greenhouse"));
  });

  test("knows its templates", async () => {
    const said = await run(init, "--template", "wether");
    expect(said).toMatchObject({
      exitCode: 64,
      stderr:
        'unknown template "wether"; did you mean "weather"? There are greenhouse, weather, pump, energy.',
    });
  });
});

describe("fieldpost check", () => {
  test("says in short what a right configuration says", async () => {
    await file(
      "right.yaml",
      `device: { id: g1, name: North }
mqtt: { url: [mqtts://a, mqtt://b] }
buses: { i2c: { attic: { device: /dev/i2c-3 } } }
sensors:
  - { id: air, driver: bme280 }
  - { id: roof, driver: bme280, bus: attic, interval: 1m }
  - { id: door, driver: digital_input, pin: 17 }
actuators:
  - { id: pump, driver: digital_output, pin: 22 }
`,
    );
    expect(await run(check, "right.yaml")).toEqual({
      exitCode: 0,
      stderr: "",
      stdout: `right.yaml: ok
  device  g1 (North)
  broker  mqtts://a:8883, then mqtt://b:1883
  topics  fieldpost/g1/...
  sensors
    air   bme280         main 0x76                every 10s
    roof  bme280         attic (/dev/i2c-3) 0x76  every 1m
    door  digital_input  GPIO17                   every 10s
  actuators
    pump  digital_output  GPIO22  initially off, safe off
`,
    });
  });

  test("shows every error and how many there are, and exits with 78", async () => {
    await file("wrong.yaml", "device: { id: g1 }\nmqtt: { url: mqtt://b, keepalive: 5 }\nsensor: []\n");
    expect(await run(check, "wrong.yaml")).toEqual({
      exitCode: 78,
      stdout: "",
      stderr: `wrong.yaml:2:35: error: expected a duration such as 250ms, 10s, 5m, 2h or 7d, found 5
  2 | mqtt: { url: mqtt://b, keepalive: 5 }
    |                                   ^
  did you mean "5s"?

wrong.yaml:3:1: error: unknown key "sensor"
  3 | sensor: []
    | ^~~~~~
  did you mean "sensors"?

wrong.yaml: 2 errors
`,
    });
  });

  test("prints problems as JSON for machines", async () => {
    await file("wrong.yaml", "device: { id: g1 }\nmqtt: { url: mqtt://b }\nsensor: []\n");
    const { stdout, exitCode } = await run(check, "--json", "wrong.yaml");
    expect(exitCode).toBe(78);
    expect(JSON.parse(stdout)).toMatchObject({
      file: "wrong.yaml",
      ok: false,
      problems: [
        { line: 3, column: 1, message: 'unknown key "sensor"', suggestion: "sensors", path: ["sensor"] },
      ],
    });
  });

  test("prints warnings, and ok all the same", async () => {
    await file("bare.yaml", "device: { id: g1 }\nmqtt: { url: mqtt://b }\n");
    const { stdout, stderr, exitCode } = await run(check, "bare.yaml");
    expect([exitCode, stdout.split("\n")[0]]).toEqual([0, "bare.yaml: ok"]);
    expect(stderr).toContain("warning: no sensors and no actuators");
  });

  test("loads a driver from beside the file", async () => {
    await file(
      "my-chip.mjs",
      `export default { name: "my_chip", chip: "Mine", description: "", datasheet: "", bus: "host", fields: {}, options: {}, open: async () => ({}) };`,
    );
    await file(
      "own.yaml",
      "device: { id: g1 }\nmqtt: { url: mqtt://b }\nsensors: [{ id: a, driver: ./my-chip.mjs }]\n",
    );
    expect(await run(check, "own.yaml")).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("my_chip"),
    });
  });

  test("says why a file cannot be read", async () => {
    expect(await run(check, "nowhere.yaml")).toMatchObject({
      exitCode: 78,
      stderr: 'cannot read nowhere.yaml: it does not exist. "fieldpost init" writes a starter configuration.',
    });
  });

  test("reads no more of an endless file than it may", async () => {
    const { exitCode, stderr } = await run(check, "/dev/zero");
    expect([exitCode, stderr.split("\n")[0]]).toEqual([
      78,
      "/dev/zero:1:1: error: the file is larger than 1 MiB",
    ]);
  });

  test("says of a folder that it is one", async () => {
    expect((await run(check, ".")).stderr).toContain("cannot read .: it is a folder");
  });

  test.each([[[]], [["a.yaml", "b.yaml"]], [["--jsno", "a.yaml"]]])(
    "answers %j as wrong usage",
    async (args) => {
      const { exitCode, stderr } = await run(check, ...args);
      expect(exitCode).toBe(64);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    },
  );
});

describe("fieldpost drivers", () => {
  test("lists chips with their addresses, fields and units", async () => {
    const { stdout } = await run(drivers);
    expect(stdout).toMatch(/^SENSOR +CHIP +BUS +ADDRESSES +FIELDS\n/);
    expect(stdout).toMatch(
      /^bme280 +Bosch BME280 +i2c +0x76 0x77 +temperature °C, humidity %, pressure hPa$/m,
    );
    expect(stdout).toMatch(/^digital_output +A GPIO line/m);
  });

  test("lists them as JSON", async () => {
    const { sensors } = JSON.parse((await run(drivers, "--json")).stdout);
    expect(sensors).toContainEqual(
      expect.objectContaining({ name: "bme280", addresses: ["0x76", "0x77"], bus: "i2c" }),
    );
  });
});

describe("fieldpost schema", () => {
  test("prints the JSON Schema", async () => {
    const { stdout, exitCode } = await run(schema);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      title: "Fieldpost configuration",
      required: ["device", "mqtt"],
    });
  });
});
