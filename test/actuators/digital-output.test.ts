import * as v from "valibot";
import { expect, test } from "vitest";
import { digitalOutput } from "../../src/actuators/digital-output.ts";
import { loadActuatorKinds } from "../../src/actuators/registry.ts";
import { actuatorProblems } from "../../src/actuators/rules.ts";
import { commonActuatorEntries } from "../../src/actuators/settings.ts";
import type { OutputRequest } from "../../src/device/gpio.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { settings } from "../../src/schema/settings.ts";
import { configured, outputBoard } from "./wiring.ts";

const actuatorKinds = await loadActuatorKinds();

const clock = new VirtualClock({ wallMs: 0 });

function recordingGpio() {
  const requests: OutputRequest[] = [];
  const written: (0 | 1)[] = [];
  return {
    requests,
    written,
    input: () => Promise.reject(new Error("no inputs")),
    outputs: () => Promise.reject(new Error("no groups")),
    async output(request: OutputRequest) {
      requests.push(request);
      return {
        set: async (value: 0 | 1) => void written.push(value),
        get: async () => 0 as const,
        close: async () => {},
      };
    },
  };
}

test("the line becomes an output with its initial value in one request", async () => {
  const gpio = recordingGpio();
  const output = await digitalOutput.open(outputBoard(gpio), { pin: 22, active_low: true }, "on", {
    clock,
    onFailure: () => {},
    onEnd: () => {},
  });
  expect(gpio.requests).toEqual([{ pin: 22, activeLow: true, initial: 1 }]);
  expect(gpio.written).toEqual([]);
  await output.set("off");
  await output.set("on");
  expect(gpio.written).toEqual([0, 1]);
});

test("takes on and off, and no number", () => {
  const options = { pin: 22, active_low: false };
  expect((["on", "off", 0, 1] as const).map((value) => digitalOutput.accepts(value, options))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test("an actuator that says only its pin starts off and is safe off", () => {
  expect(configured([{ id: "pump", pin: 22 }])).toEqual([
    {
      id: "pump",
      driver: "digital_output",
      pin: 22,
      active_low: false,
      initial: "off",
      safe: "off",
      startup_delay: 0,
      restore: "initial",
      interlock: [],
    },
  ]);
});

test("no actuator is called like the node or like more than one topic level", () => {
  const schema = settings(commonActuatorEntries);
  const idIsFine = (id: string) => v.safeParse(schema, { id, driver: "digital_output" }).success;
  expect(["pump", "Pump_2-b", "node1"].filter((id) => !idIsFine(id))).toEqual([]);
  expect(["node", "", "a/b", "+", "#", "-a", "a".repeat(65)].filter(idIsFine)).toEqual([]);
});

test("what cannot be guarded is named, with its key", () => {
  const problems = actuatorProblems(
    configured([
      { id: "a", pin: 1, initial: "on", safe: "on", interlock: ["b", "a", "c"], max_on: "5s", min_on: "6s" },
      { id: "b", pin: 2, initial: "on", safe: "on" },
      { id: "d", pin: 3, initial: 42 },
    ]),
    actuatorKinds,
  );
  expect(problems.map(({ id, key, message }) => `${id}.${key}: ${message}`)).toEqual([
    "a.max_on: contradicts safe: on, which has no end",
    "a.min_on: must not be longer than max_on",
    "a.interlock: a and b are both on by their initial",
    "a.interlock: a and b are both on by their safe",
    "a.interlock: an actuator cannot be interlocked with itself",
    'a.interlock: there is no actuator "c"',
    "d.initial: digital_output cannot be 42",
  ]);
});
