import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";
import { loadSensorDrivers } from "../../src/sensors/registry.ts";
import { commonSensorEntries } from "../../src/sensors/settings.ts";
import { complaints, myChip, read, readRight, SECRET } from "./reading.ts";

const sensorDrivers = await loadSensorDrivers();

const HEAD = "device: { id: g1 }\nmqtt: { url: mqtt://localhost }\n";

describe("a right configuration", () => {
  test("needs no more than a device and a broker", async () => {
    const { config } = await readRight(HEAD);
    expect(config).toMatchObject({
      device: { id: "g1" },
      mqtt: { client_id: "g1", topic_root: "fieldpost/g1", keepalive: 25_000 },
      telemetry: { interval: 10_000, qos: 1, encoding: "json" },
      buffer: {
        path: "/var/lib/fieldpost/outbox",
        max_size: 256 * 1024 ** 2,
        max_age: 30 * 86_400_000,
        when_full: "drop_oldest",
        sync_after: 1_000,
        replay: { order: "oldest_first", rate: 1_000 },
      },
      health: { interval: 60_000 },
      buses: { i2c: {} },
      gpio: { backend: "auto", chip: "auto" },
      sensors: [],
      actuators: [],
      simulation: { seed: 1, faults: [] },
    });
  });

  test("names each sensor's driver, options, bus and address", async () => {
    const { config } = await readRight(`${HEAD}
buses: { i2c: { attic: { device: /dev/i2c-3 } } }
sensors:
  - { id: a, driver: bme280 }
  - { id: b, driver: bme280, bus: attic, address: 0x77, interval: 1m, jitter: 2s }
  - { id: c, driver: bme280, bus: /dev/i2c-5 }
  - { id: d, driver: digital_input, pin: GPIO4, pull: up }
`);
    expect(
      config.sensors.map(({ bus, i2cPath, address, interval, jitter }) => [
        bus,
        i2cPath,
        address,
        interval,
        jitter,
      ]),
    ).toEqual([
      ["main", undefined, 0x76, 10_000, 0],
      ["attic", "/dev/i2c-3", 0x77, 60_000, 2_000],
      ["/dev/i2c-5", "/dev/i2c-5", 0x76, 10_000, 0],
      [undefined, undefined, undefined, 10_000, 0],
    ]);
    expect(config.sensors[0]?.driver).toBe(sensorDrivers.get("bme280"));
    expect(config.sensors[3]?.options).toEqual({ pin: "GPIO4", pull: "up", active_low: false, debounce: 20 });
  });

  test("may move the board's own bus", async () => {
    const { config } = await readRight(
      `${HEAD}buses: { i2c: { main: { device: /dev/i2c-20 } } }\nsensors: [{ id: a, driver: bme280 }]\n`,
    );
    expect(config.sensors[0]).toMatchObject({ bus: "main", i2cPath: "/dev/i2c-20" });
  });

  test("takes off and on as YAML 1.2 does: as text", async () => {
    const { config } = await readRight(
      `${HEAD}actuators: [{ id: p, driver: digital_output, pin: 4, initial: on, safe: off, interlock: [q] }, { id: q, driver: digital_output, pin: 5 }]\n`,
    );
    expect(config.actuators[0]).toMatchObject({
      initial: "on",
      safe: "off",
      interlock: ["q"],
      options: { pin: 4 },
    });
    expect(config.actuators[0]?.kind.name).toBe("digital_output");
  });

  test("is frozen through and through, but for the drivers", async () => {
    const { config } = await readRight(
      `${HEAD}sensors: [{ id: a, driver: bme280, filters: [{ median: 3 }] }]\n`,
    );
    expect(Object.isFrozen(config.buffer.replay)).toBe(true);
    expect(Object.isFrozen(config.sensors[0]?.filters)).toBe(true);
    expect(() => Object.assign(config.mqtt, { password: "x" })).toThrow(TypeError);
  });

  test("may be JSON, have a byte order mark and Windows line ends", async () => {
    const json = JSON.stringify({ device: { id: "g1" }, mqtt: { url: ["mqtt://a", "mqtt://b"] } }, null, 2);
    const { config } = await readRight(`\ufeff${json.replaceAll("\n", "\r\n")}`);
    expect(config.mqtt.url.map(({ host }) => host)).toEqual(["a", "b"]);
  });

  test("may repeat itself by anchors and merge keys, its own keys winning", async () => {
    const { config } = await readRight(`${HEAD}
sensors:
  - &air { id: a, driver: bme280, interval: 30s, report: &quiet { delta: { temperature: 0.5 } } }
  - { <<: *air, id: b, address: 0x77, report: { <<: *quiet, heartbeat: 1h } }
`);
    expect(
      config.sensors.map(({ id, interval, report }) => [id, interval, report?.heartbeat, report?.delta]),
    ).toEqual([
      ["a", 30_000, 600_000, { temperature: 0.5 }],
      ["b", 30_000, 3_600_000, { temperature: 0.5 }],
    ]);
  });

  test("takes a convention by name", async () => {
    await readRight("device: { id: g1 }\nmqtt: { url: mqtt://localhost, convention: fieldpost }\n");
    expect(await complaints("device: { id: g1 }\nmqtt: { url: mqtt://b, convention: zigbee }\n")).toContain(
      "expected fieldpost",
    );
  });

  test("finds files beside itself, also when they came by a substitution", async () => {
    const { config } = await readRight(
      `device: { id: g1 }\nmqtt: { url: mqtts://b, tls: { ca: "\${env:CA}" } }\nbuffer: { path: outbox }\n`,
      { CA: "ca.pem" },
    );
    expect(config.mqtt.tls?.ca).toBe("/etc/fieldpost/ca.pem");
    expect(config.buffer.path).toBe("/etc/fieldpost/outbox");
  });
});

describe("substitutions", () => {
  test("fill in every string", async () => {
    const { config } = await readRight(
      `
device: { id: "node-\${serial}", name: "\${device} on \${hostname}" }
mqtt:
  url: mqtts://b
  username: \${device}
  password: \${file:/run/secret}
  topic_root: site/\${env:SITE}/\${device}
`,
      { SITE: "north" },
    );
    expect(config.device).toEqual({ id: "node-10000000abcdef01", name: "node-10000000abcdef01 on pi" });
    expect(config.mqtt).toMatchObject({
      username: "node-10000000abcdef01",
      password: SECRET,
      topic_root: "site/north/node-10000000abcdef01",
    });
  });

  test("are not looked for in what they filled in", async () => {
    const { config } = await readRight(
      `device: { id: g1, name: "\${env:A}" }\nmqtt: { url: mqtt://localhost }\n`,
      {
        A: `\${hostname}`,
      },
    );
    expect(config.device.name).toBe(`\${hostname}`);
  });

  test("are escaped by a second dollar sign", async () => {
    const { config } = await readRight(
      `device: { id: g1, name: "$\${device} costs $5" }\nmqtt: { url: mqtt://localhost }\n`,
    );
    expect(config.device.name).toBe(`\${device} costs $5`);
  });
});

describe("secrets", () => {
  const places = [
    ["an id", `device: { id: "x \${env:TOKEN}" }\nmqtt: { url: mqtt://b }\n`],
    ["a url", `device: { id: g1 }\nmqtt: { url: "\${env:TOKEN}" }\n`],
    ["a duration", `${HEAD}health: { interval: "\${file:/run/secret}" }\n`],
    ["a choice", `${HEAD}buffer: { when_full: "\${env:TOKEN}" }\n`],
    ["a driver", `${HEAD}sensors: [{ id: a, driver: "\${env:TOKEN}" }]\n`],
    ["a driver's file", `${HEAD}sensors: [{ id: a, driver: "./\${env:TOKEN}" }]\n`],
    ["a bus", `${HEAD}sensors: [{ id: a, driver: bme280, bus: "\${env:TOKEN}" }]\n`],
    [
      "an interlock",
      `${HEAD}actuators: [{ id: a, driver: digital_output, pin: 1, interlock: ["\${env:TOKEN}"] }]\n`,
    ],
    ["a certificate", `device: { id: g1 }\nmqtt: { url: mqtts://b, tls: { ca: "\${env:TOKEN}" } }\n`],
    ["a pin", `${HEAD}actuators: [{ id: a, driver: digital_output, pin: "\${env:TOKEN}" }]\n`],
  ] as const;

  test.each(places)("given for %s never show up in what is said of it", async (_, config) => {
    const said = await complaints(config);
    expect(said).not.toBe("");
    expect(said).not.toContain(SECRET.slice(0, 13));
    expect(said).toMatch(/\$\{(env:TOKEN|file:\/run\/secret)\}/);
  });

  test("that are short hide without mutilating the message", async () => {
    const said = await complaints(
      `${HEAD}buffer: { when_full: "\${env:LEVEL}" }\ntelemetry: { interval: 1ms }\n`,
    );
    expect(said).toContain(`expected drop_oldest, drop_newest or thin, found "\${env:LEVEL}"`);
    expect(said).toContain("must be at least 50ms");
  });

  test("give no hint by way of a suggestion", async () => {
    const said = await complaints(`${HEAD}buffer: { when_full: "\${env:KIND}" }\n`, { KIND: "drop_oldets" });
    expect(said).not.toContain("did you mean");
  });
});

describe("a driver of one's own", () => {
  test("is loaded from beside the configuration and validated like any other", async () => {
    const { config } = await readRight(`${HEAD}sensors: [{ id: a, driver: ./my-chip.js, gain: 4 }]\n`);
    expect(config.sensors[0]).toMatchObject({
      driver: myChip,
      options: { gain: 4 },
      address: 0x20,
      bus: "main",
    });
    expect(await complaints(`${HEAD}sensors: [{ id: a, driver: ./my-chip.js, gian: 4 }]\n`)).toContain(
      'did you mean "gain"?',
    );
  });

  test("is refused where nothing can load it", async () => {
    const result = await loadConfig(`${HEAD}sensors: [{ id: a, driver: ./my-chip.js }]\n`, {
      file: "x.yaml",
      env: {},
      machine: { serial: undefined, hostname: undefined, machineId: undefined },
      readFile: () => "",
    });
    expect(result.ok ? [] : result.problems.map(({ message }) => message)).toEqual([
      "driver files cannot be loaded here",
    ]);
  });

  test("that throws is blamed itself", async () => {
    const throwing = {
      ...myChip,
      fields: () => {
        throw new Error("no fields today");
      },
    };
    const result = await loadConfig(`${HEAD}sensors: [{ id: a, driver: ./x.js }]\n`, {
      file: "x.yaml",
      env: {},
      machine: { serial: undefined, hostname: undefined, machineId: undefined },
      readFile: () => "",
      importDriver: async () => ({ default: throwing }),
    });
    expect(result.ok ? [] : result.problems.map(({ message }) => message)).toEqual([
      "./x.js failed: no fields today",
    ]);
  });

  test("no built-in driver has an option by the name of a common key", () => {
    const clashes = [...sensorDrivers.values()].flatMap(({ name, options }) =>
      Object.keys(options)
        .filter((key) => key in commonSensorEntries)
        .map((key) => `${name}.${key}`),
    );
    expect(clashes).toEqual([]);
  });
});

describe("warnings", () => {
  test("tell of a password in clear, an unchecked certificate and a node without a purpose", async () => {
    const { warnings } = await readRight(`
device: { id: g1 }
mqtt: { url: [mqtts://a, mqtt://b], username: u, password: p, tls: { insecure: true } }
`);
    expect(warnings.map(({ line, message }) => [line, message])).toEqual([
      [2, "no sensors and no actuators: the node reports only its health"],
      [3, "the password is sent unencrypted; use mqtts:// or wss://"],
      [3, "the broker's certificate is not checked: anybody can pose as it"],
    ]);
  });

  test("tell of a line that belongs to a bus which a sensor uses", async () => {
    const { warnings } = await readRight(`
device: { id: g1 }
mqtt: { url: mqtt://b }
sensors:
  - { id: air, driver: bme280 }
  - { id: oven, driver: max31855, device: /dev/spidev0.1 }
  - { id: co2, driver: mh_z19 }
  - { id: door, driver: digital_input, pin: 8 }
  - { id: bell, driver: digital_input, pin: GPIO15 }
actuators:
  - { id: pump, driver: digital_output, pin: 7 }
  - { id: lamp, driver: digital_output, pin: { header: 5 } }
  - { id: fan, driver: digital_output, pin: 17 }
`);
    expect(warnings.map(({ line, message }) => [line, message])).toEqual([
      [9, 'on a Raspberry Pi GPIO15 is RX of the serial port, which sensor "co2" uses'],
      [11, 'on a Raspberry Pi GPIO7 is the chip select of /dev/spidev0.1, which sensor "oven" uses'],
      [12, 'on a Raspberry Pi GPIO3 is SCL of I2C, which sensor "air" uses'],
    ]);
  });

  test("tell of a rule that is never heard because one for a group stands before it", async () => {
    const { warnings } = await readRight(`
device: { id: g1 }
mqtt: { url: mqtt://b }
sensors: [{ id: air, driver: bme280 }]
actuators:
  - { id: north, driver: digital_output, pin: 22 }
  - { id: south, driver: digital_output, pin: 23 }
  - { id: lights, driver: group, members: [north, south] }
rules:
  - { id: all, when: { sensor: air, field: temperature, above: 30 }, set: { lights: on }, otherwise: { lights: off } }
  - { when: { sensor: air, field: humidity, above: 30 }, set: { south: off } }
`);
    expect(warnings.map(({ line, message }) => [line, message])).toEqual([
      [11, 'never heard: the rule "all" stands before this one and always wants something of south'],
    ]);
  });

  test("leave a broker on the same machine in peace", async () => {
    const { warnings } = await readRight(
      "device: { id: g1 }\nmqtt: { url: mqtt://127.0.0.1, username: u, password: p }\nsensors: [{ id: b, driver: host }]\n",
    );
    expect(warnings).toEqual([]);
  });
});

describe("limits", () => {
  test("a file of more than 1 MiB is refused without being parsed", async () => {
    const result = await read(`# ${"x".repeat(1024 * 1024)}`);
    expect(result.ok ? [] : result.problems.map((problem) => formatProblem(problem))).toEqual([
      "fieldpost.yaml:1:1: error: the file is larger than 1 MiB\n",
    ]);
  });

  test.each(["[", "{a: ", "- "])("%s repeated without end is refused", async (opening) => {
    expect(await complaints(opening.repeat(500))).toContain("nested more than 64 levels deep");
  });

  test("more errors than a call takes arguments are all told", async () => {
    const result = await read(`${HEAD}sensors:\n${"- {}\n".repeat(70_000)}`);
    expect(result.ok ? 0 : result.problems.length).toBe(140_000);
  });

  test("what a file holds never reaches a terminal as a command", async () => {
    const said = await complaints(`${HEAD}"\\u001b[2J\\u009b2J": 1\nhealth: 1 # \u001b[31m\u202e\n`);
    for (const control of ["\u001b", "\u009b", "\u202e"]) expect(said).not.toContain(control);
  });

  test("a long line is shown around the caret", async () => {
    const said = await complaints(
      `{ device: { id: g1, name: "${"x".repeat(300)}" }, mqtt: { url: mqtt://b }, zzz: 1 }`,
    );
    const [, shown = "", caret = ""] = said.slice(said.indexOf('unknown key "zzz"')).split("\n");
    expect(shown.slice(caret.indexOf("^"), caret.lastIndexOf("~") + 1)).toBe("zzz");
    expect(shown.length).toBeLessThan(130);
  });
});
