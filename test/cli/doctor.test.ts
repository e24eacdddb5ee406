import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkBoard } from "../../src/cli/doctor-board.ts";
import { diagnoseMachine, type Machine } from "../../src/cli/doctor-machine.ts";
import { loadConfig } from "../../src/config/load.ts";
import { I2cError } from "../../src/device/i2c.ts";
import { linuxClock } from "../../src/device/linux/clock.ts";
import type { SimBoard } from "../../src/device/sim/board.ts";
import { socketInOutbox } from "../../src/local/protocol.ts";
import { boardChooser } from "../../src/node/board.ts";

const YAML = `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1" }
sensors:
  - { id: air, driver: bme280 }
  - { id: rack, driver: hwmon, name: lm75 }
  - { id: tank, driver: ds18b20, wire_id: 28-00000a1b2c3d }
  - { id: door, driver: digital_input, pin: { header: 11 } }
actuators:
  - { id: pump, driver: digital_output, pin: GPIO22 }
`;

/** The diagnoses of a board of which one thing is broken. */
async function diagnosed(breakIt: (board: SimBoard) => void = () => {}, yaml = YAML, simulation = true) {
  const loaded = await loadConfig(yaml, { file: "x.yaml", dir: "/", env: {}, readFile: () => "" } as never);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const clock = linuxClock();
  const { board, simulated } = (await boardChooser(true))(loaded.config, clock);
  breakIt(simulated!.board);
  const diagnoses = await checkBoard({ config: loaded.config, board, clock, simulated: simulation });
  await board.close();
  return diagnoses;
}

const failures = async (breakIt: (board: SimBoard) => void, yaml?: string) =>
  (await diagnosed(breakIt, yaml)).filter(({ verdict }) => verdict !== "ok");

describe("the doctor, of a board", () => {
  test("finds all well where all is well", async () => {
    expect(await diagnosed()).toEqual([
      { what: "sensor air", verdict: "ok", found: "answers: temperature, humidity, pressure" },
      { what: "sensor rack", verdict: "ok", found: "answers: temperature" },
      { what: "sensor tank", verdict: "ok", found: "answers: temperature" },
      { what: "sensor door", verdict: "ok", found: "answers: active" },
    ]);
  });

  test.each<[string, string, (board: SimBoard) => void, RegExp]>([
    [
      "a chip that does not answer",
      "sensor air",
      (board) => board.simBus("/dev/i2c-1").detach(0x76),
      /fieldpost scan/,
    ],
    [
      "a bus whose line is held",
      "sensor air",
      (board) => board.simBus("/dev/i2c-1").fail("all", { fault: "stuck" }),
      /power off and on/,
    ],
    [
      "a chip without a kernel driver",
      "sensor rack",
      (board) => board.chips.fail("rack", "absent"),
      /the chips that the kernel has/,
    ],
    [
      "a thermometer that is gone",
      "sensor tank",
      (board) => board.oneWire.detach("28-00000a1b2c3d"),
      /wiring/,
    ],
    [
      "an output's line that an overlay has",
      "actuator pump",
      (board) => board.gpio.occupy(22, "spi1"),
      /another pin/,
    ],
  ])("names only %s, and how to mend it", async (_name, what, breakIt, fix) => {
    const found = await failures(breakIt);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ what, verdict: "failed" });
    expect(found[0]!.fix).toMatch(fix);
  });

  test.each([
    ["/dev/i2c-1: not permitted: add the user to the group i2c"],
    ["/dev/i2c-1: no such bus: put dtparam=i2c_arm=on into config.txt, or modprobe i2c-dev"],
    ["the optional module i2c-bus does not load here: npm install i2c-bus"],
  ])("adds no advice of its own to a bus that says itself what is missing: %s", async (message) => {
    const refuse = () => Promise.reject(new I2cError("no_bus", message));
    const found = await failures((board) => {
      board.simBus("/dev/i2c-1").transfer = refuse;
    });
    expect(found).toEqual([{ what: "sensor air", verdict: "failed", found: message }]);
  });

  test("says of a serial chip that is silent what to look at on a serial line", async () => {
    const found = await failures(
      (board) => board.simSerial.fail("/dev/serial0", "silent"),
      'device: { id: n1 }\nmqtt: { url: "mqtt://h" }\nsensors: [{ id: co2, driver: mh_z19, warm_up: 0s }]',
    );
    expect(found).toMatchObject([{ what: "sensor co2", fix: expect.stringContaining("TX") }]);
  });

  test("leaves the lines and ports of a node that runs to it, and asks the other sensors", async () => {
    const folder = mkdtempSync(join(tmpdir(), "fieldpost-doctor-"));
    const node = createServer((socket) => socket.on("data", () => socket.write('{"ok":true,"value":{}}\n')));
    await new Promise<void>((resolve) => node.listen(socketInOutbox(folder), resolve));
    const yaml = `${YAML}  - { id: lamp, driver: digital_output, pin: 23 }
buffer: { path: ${folder} }`.replace("sensors:", "sensors:\n  - { id: co2, driver: mh_z19, warm_up: 0s }");
    const found = await diagnosed((board) => board.simSerial.fail("/dev/serial0", "absent"), yaml, false);
    expect(found.map(({ what, verdict }) => [what, verdict])).toEqual([
      ["sensor air", "ok"],
      ["sensor rack", "ok"],
      ["sensor tank", "ok"],
    ]);
    node.close();
    rmSync(folder, { recursive: true });
  });

  test("takes no offence at lines that sysfs has where the configuration chooses sysfs", async () => {
    const taken = (board: SimBoard) => board.gpio.occupy(22, "sysfs");
    expect(await failures(taken, `gpio: { backend: sysfs }${YAML}`)).toEqual([]);
    expect(await failures(taken)).toMatchObject([{ what: "actuator pump" }]);
  });

  test("names an input's line that somebody has, by its owner and its pin of the header", async () => {
    const found = await failures((board) => board.gpio.occupy(17, "w1-gpio"));
    expect(found[0]).toMatchObject({ what: "sensor door", found: 'header pin 11 is taken by "w1-gpio"' });
  });
});

describe("the doctor, of the machine", () => {
  const healthy: Machine = {
    uid: 1000,
    groups: [44, 46],
    groupFile: "root:x:0:\ngpio:x:44:pi\ni2c:x:46:pi\nspi:x:47:\ndialout:x:20:pi\n",
    loadAddon: () => ({}),
  };
  const wires = new Set(["i2c", "gpio"]);
  const failing = (machine: Partial<Machine>, backend = "auto", used = wires) =>
    diagnoseMachine(used, backend, { ...healthy, ...machine }).filter(({ verdict }) => verdict !== "ok");

  test("finds nothing where the user is in the groups of the wires that are used", () => {
    expect(failing({})).toEqual([]);
  });

  test("names a group that is missing, with the command that mends it", () => {
    expect(failing({ groups: [44] })).toMatchObject([
      { what: "group i2c", verdict: "failed", fix: expect.stringContaining("usermod -aG i2c") },
    ]);
    expect(failing({}, "auto", new Set(["serial"]))).toMatchObject([{ what: "group dialout" }]);
  });

  test("asks root for no group, and nobody for one that the system does not have", () => {
    expect(failing({ uid: 0, groups: [] })).toEqual([]);
    expect(failing({ groups: [], groupFile: "" })).toEqual([]);
  });

  test("warns of a native part that is missing, and fails where the configuration needs it", () => {
    const loadAddon = () => {
      throw new Error("the native part is missing: npm rebuild fieldpost");
    };
    expect(failing({ loadAddon })).toMatchObject([
      { verdict: "warning", fix: expect.stringContaining("sysfs") },
    ]);
    expect(failing({ loadAddon }, "cdev")).toMatchObject([{ verdict: "failed" }]);
    expect(failing({ loadAddon }, "sysfs")).toEqual([]);
  });
});
