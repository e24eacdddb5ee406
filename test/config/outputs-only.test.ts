import { expect, test } from "vitest";
import { loadOutputs } from "../../src/config/load.ts";

async function outputs(text: string) {
  const { config, problems, leftOut } = await loadOutputs(text, {
    file: "fieldpost.yaml",
    env: {},
    machine: { serial: () => "s", hostname: () => "h", machineId: () => "m" } as never,
    readFile: () => {
      throw Object.assign(new Error("gone"), { code: "ENOENT" });
    },
  });
  return { ids: config?.actuators.map(({ id }) => id), problems: problems.length, leftOut };
}

const PUMP = "{ id: pump, driver: digital_output, pin: 22 }";

test("nothing but the outputs matters: no password, no sensor, no key that another version knows", async () => {
  const text = `
device: { id: n1 }
mqtt: { url: "mqtt://b", password: "\${file:/run/credentials/gone}" }
sensors: [{ id: air, driver: ./my-chip.js }, { id: air, driver: nonsense }]
rules: nonsense
something: new
actuators: [${PUMP}]
`;
  expect(await outputs(text)).toEqual({ ids: ["pump"], problems: 0, leftOut: [] });
});

test("what only limits an output does not keep it from being made safe, however wrong it is", async () => {
  const text = `
device: { id: n1 }
mqtt: { url: "mqtt://b" }
actuators:
  - { id: pump, driver: digital_output, pin: 22, max_on: 5, min_on: x, min_off: x, initial: onn, offline_after: 5min }
  - { id: fan, driver: digital_output, pin: 23, startup_delay: x, restore: never, budget: 7, max_on: "\${env:GONE}" }
`;
  expect(await outputs(text)).toMatchObject({ ids: ["pump", "fan"], leftOut: [] });
});

test("an output that is wrong is told, and the others are known", async () => {
  const text = `
device: { id: "not a name" }
mqtt: { url: "mqtt://b" }
gpio: { backend: nonsense }
actuators:
  - ${PUMP}
  - { id: lamp, driver: digital_outptu, pin: 5 }
  - { id: fan, driver: digital_output, pin: "\${env:GONE}" }
  - { id: bell, driver: digital_output, pin: 22, interlock: [lamp] }
  - { id: all, driver: group, members: [lamp, pump] }
  - text
  - { id: horn, driver: digital_output, pin: 6, interlock: [lamp, all] }
`;
  const { ids, problems, leftOut } = await outputs(text);
  expect(ids).toEqual(["pump", "horn"]);
  expect(leftOut).toEqual(["lamp", "fan", "bell", "one without an id"]);
  expect(problems).toBeGreaterThanOrEqual(5);
});

test("a list that is none, and a file that is none, leave nothing", async () => {
  expect((await outputs("device: { id: n1 }\nactuators: pump\n")).ids).toBeUndefined();
  expect((await outputs("device: [\n")).ids).toBeUndefined();
});
