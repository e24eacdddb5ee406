import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ActuatorValue } from "../../src/actuators/kind.ts";
import { propertiesOf } from "../../src/homie/actuators.ts";
import { readRight } from "../config/reading.ts";

const {
  config: { actuators },
} = await readRight(`device: { id: g1 }
mqtt: { url: mqtt://localhost, convention: homie5 }
expanders:
  leds: { chip: pca9685 }
actuators:
  - { id: relay, driver: digital_output, pin: 5 }
  - { id: lamp, driver: pwm, expander: leds, channel: 0 }
  - { id: fan, driver: pwm, expander: leds, channel: 1, min: 20, max: 80 }
  - { id: arm, driver: servo, channel: 0, min_angle: -45, max_angle: 90 }
  - { id: leg, driver: servo, channel: 1, min_angle: 0, max_angle: 180 }
  - { id: valve, driver: dac, address: 0x60, reference: 5, max: 4.5 }
  - { id: feeder, driver: stepper, step_pin: 20, dir_pin: 21, min: -10, max: 2000 }
  - { id: blind, driver: cover, open_pin: 6, close_pin: 7, open_time: 30s }
  - { id: gate, driver: cover, open_pin: 8, close_pin: 9, open_time: 10s }
  - { id: lights, driver: group, members: [relay, lamp] }
  - { id: dimmers, driver: group, members: [lamp, fan] }
  - { id: limbs, driver: group, members: [arm, leg] }
  - { id: blinds, driver: group, members: [blind, gate] }
  - { id: odd, driver: group, members: [relay, arm] }
`);

const listOf = (id: string) => propertiesOf(actuators.find((actuator) => actuator.id === id)!, actuators);
const find = (id: string, property: string) => {
  const found = listOf(id).find((each) => each.id === property);
  if (!found) throw new Error(`${id} has no ${property}`);
  return found;
};

const RELAY = { state: { name: "State", datatype: "boolean", format: "off,on", settable: true } };
const COVER = {
  state: { name: "State", datatype: "enum", format: "open,close,stop", settable: true },
  position: { name: "Position", datatype: "float", format: "0:100", unit: "%", settable: true },
};
const number = (format: string, unit: string) => ({
  name: "State",
  datatype: "float",
  format,
  unit,
  settable: true,
});
const OFF = { name: "Action", datatype: "enum", format: "off", settable: true, retained: false };

describe("an actuator as a Homie node", () => {
  test.each<[string, unknown]>([
    ["relay", RELAY],
    ["lamp", { state: number("0:100", "%") }],
    // 0 is off, and below 20 there is nothing else.
    ["fan", { state: number("0:80", "%") }],
    ["arm", { state: number("-45:90", "°"), action: OFF }],
    ["valve", { state: number("0:4.5", "V") }],
    ["feeder", { state: number("-10:2000", "steps"), action: OFF }],
    ["blind", COVER],
    ["lights", RELAY],
    ["dimmers", RELAY],
    ["limbs", { state: number("0:90", "°"), action: OFF }],
    ["blinds", COVER],
    ["odd", { state: { name: "State", datatype: "string" }, action: OFF }],
  ])("%s has properties after what it takes", (id, properties) => {
    expect(Object.fromEntries(listOf(id).map(({ id: name, property }) => [name, property]))).toEqual(
      properties,
    );
  });

  test.each<[string, string, ActuatorValue, Record<string, number>, string | undefined]>([
    ["relay", "state", "on", {}, "true"],
    ["relay", "state", "off", {}, "false"],
    ["lamp", "state", "on", {}, "100"],
    ["lamp", "state", 42.5, {}, "42.5"],
    ["fan", "state", "on", {}, "80"],
    ["fan", "state", "off", {}, "0"],
    ["fan", "state", 0, {}, "0"],
    ["valve", "state", "off", {}, "0"],
    ["arm", "state", -45, {}, "-45"],
    // Without pulses a servo is at no angle that anybody knows.
    ["arm", "state", "off", {}, undefined],
    ["feeder", "state", "off", {}, undefined],
    ["feeder", "state", 0, {}, "0"],
    ["blind", "state", "open", {}, "open"],
    ["blind", "state", "stop", { position: 40 }, "stop"],
    ["blind", "state", 40, { position: 10 }, "open"],
    ["blind", "state", 40, { position: 90 }, "close"],
    ["blind", "state", 40, { position: 40 }, "stop"],
    ["blind", "state", 40, {}, undefined],
    ["blind", "position", "stop", { position: 40 }, "40"],
    ["blind", "position", "stop", {}, undefined],
    ["lights", "state", "on", {}, "true"],
    ["dimmers", "state", 40, {}, "true"],
    ["dimmers", "state", 0, {}, "false"],
    ["dimmers", "state", "off", {}, "false"],
    ["limbs", "state", 30, {}, "30"],
    // Each at another angle.
    ["limbs", "state", "on", {}, undefined],
    ["blinds", "state", "close", {}, "close"],
    // One opens while another closes.
    ["blinds", "state", "on", {}, undefined],
    ["odd", "state", "on", {}, "on"],
  ])("%s/%s of %j with %j is %j", (id, property, state, details, payload) => {
    expect(find(id, property).show(state, details)).toBe(payload);
  });

  test.each<[string, string, string, ActuatorValue | undefined]>([
    ["relay", "state", "true", "on"],
    ["relay", "state", "on", undefined],
    ["lamp", "state", "100", 100],
    ["lamp", "state", "1e1", 10],
    ["lamp", "state", "100.1", undefined],
    ["lamp", "state", "-0.1", undefined],
    ["lamp", "state", "NaN", undefined],
    ["lamp", "state", "Infinity", undefined],
    ["lamp", "state", "0x10", undefined],
    ["lamp", "state", " 1", undefined],
    ["lamp", "state", "", undefined],
    ["lamp", "state", "1,5", undefined],
    ["fan", "state", "0", 0],
    ["fan", "state", "19", undefined],
    ["fan", "state", "20", 20],
    ["arm", "state", "-45", -45],
    ["arm", "state", "-46", undefined],
    ["arm", "action", "off", "off"],
    ["arm", "action", "on", undefined],
    ["feeder", "state", "2.5", undefined],
    ["feeder", "state", "2000", 2000],
    ["blind", "state", "stop", "stop"],
    ["blind", "state", "on", undefined],
    ["blind", "position", "40", 40],
    ["blind", "position", "101", undefined],
    ["limbs", "state", "90", 90],
    ["limbs", "state", "91", undefined],
    ["limbs", "state", "-1", undefined],
    ["blinds", "position", "40", 40],
    ["odd", "state", "on", undefined],
    ["odd", "action", "off", "off"],
  ])("%s/%s/set with %j wants %j", (id, property, payload, wanted) => {
    expect(find(id, property).read(payload)).toBe(wanted);
  });

  test("takes no payload for a value that its output does not take", () => {
    const payload = fc.oneof(
      fc.string(),
      fc.double().map(String),
      fc.integer({ min: -50, max: 2_100 }).map(String),
      fc.constantFrom("true", "false", "on", "off", "open", "close", "stop"),
    );
    fc.assert(
      fc.property(fc.constantFrom(...actuators), payload, (actuator, text) => {
        const members = (actuator.options["members"] as string[] | undefined) ?? [actuator.id];
        const kinds = actuators.filter(({ id }) => members.includes(id));
        for (const { read } of propertiesOf(actuator, actuators)) {
          const value = read(text);
          if (value !== undefined)
            expect(kinds.every(({ kind, options }) => kind.accepts(value, options))).toBe(true);
        }
      }),
    );
  });

  test("shows what it was set to", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("relay", "lamp", "fan", "arm", "valve", "feeder", "limbs"),
        fc.integer({ min: -50, max: 2_100 }),
        (id, whole) => {
          const { read, show } = find(id, "state");
          for (const text of [String(whole), "true", "false"]) {
            const value = read(text);
            if (value !== undefined) expect(show(value, {})).toBe(text);
          }
        },
      ),
    );
  });
});
