import { expect, test } from "vitest";
import { loadOutputs } from "../../src/config/load.ts";

async function outputs(text: string) {
  const { config, problems } = await loadOutputs(text, {
    file: "fieldpost.yaml",
    env: {},
    machine: { serial: () => "s", hostname: () => "h", machineId: () => "m" } as never,
    readFile: () => {
      throw Object.assign(new Error("gone"), { code: "ENOENT" });
    },
  });
  return { ids: config?.actuators.map(({ id }) => id), problems: problems.length };
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
  expect(await outputs(text)).toEqual({ ids: ["pump"], problems: 0 });
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
  const { ids, problems } = await outputs(text);
  expect(ids).toEqual(["pump", "horn"]);
  expect(problems).toBeGreaterThanOrEqual(5);
});

test("a list that is none, and a file that is none, leave nothing", async () => {
  expect((await outputs("device: { id: n1 }\nactuators: pump\n")).ids).toBeUndefined();
  expect((await outputs("device: [\n")).ids).toBeUndefined();
});
