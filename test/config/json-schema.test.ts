import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { loadActuatorKinds } from "../../src/actuators/registry.ts";
import { templates } from "../../src/cli/templates/index.ts";
import { configJsonSchema, type JsonSchema } from "../../src/config/json-schema.ts";
import { loadSensorDrivers } from "../../src/sensors/registry.ts";
import { schemaFaults } from "./json-schema-check.ts";

const sensorDrivers = await loadSensorDrivers();
const actuatorKinds = await loadActuatorKinds();

const schema = configJsonSchema(sensorDrivers, actuatorKinds);
const HEAD = "device: { id: g1 }\nmqtt: { url: mqtt://b }\n";
const faults = (text: string) => schemaFaults(schema, parse(text));

type Props = Readonly<Record<string, JsonSchema>>;
const properties = schema["properties"] as Props;
const itemsOf = (list: string) =>
  (properties[list]!["items"] as { allOf: { if: { properties: Props }; then: { properties: Props } }[] })
    .allOf;

describe("the JSON Schema", () => {
  test.each([...templates])("fits the template %s", (_, text) => {
    expect(faults(text)).toEqual([]);
  });

  test.each([
    ["sensors: [{ id: a, driver: nonsense }]", "/sensors/0/driver: fits no alternative"],
    ["sensors: [{ id: a, driver: bme280, pin: 4 }]", "/sensors/0/pin: is unknown"],
    ["sensors: [{ id: a, driver: bme280, address: 0x40 }]", "/sensors/0/address: is none of 118, 119"],
    ["sensors: [{ id: a, driver: host, bus: main }]", "/sensors/0/bus: is unknown"],
    ["sensors: [{ id: a, driver: digital_input }]", "/sensors/0: lacks pin"],
    ["sensors: [{ driver: host }]", "/sensors/0: lacks id"],
    [
      "actuators: [{ id: a, driver: digital_output, pin: 4, safe: maybe }]",
      "/actuators/0/safe: fits no alternative",
    ],
    ["telemetry: { interval: 10 }", "/telemetry/interval: is no string"],
    ["telemetry: { interval: soon }", "/telemetry/interval: does not match"],
    ["buffer: { max_size: 5MB }", "/buffer/max_size: does not match"],
    ["web: {}", "/web: is unknown"],
  ])("refuses %s", (text, fault) => {
    expect(faults(`${HEAD}${text}\n`).join("\n")).toContain(fault);
  });

  test("lets a driver of one's own have any options", () => {
    expect(faults(`${HEAD}sensors: [{ id: a, driver: ./my-chip.js, gain: 4 }]\n`)).toEqual([]);
  });

  test("knows every driver and kind", () => {
    expect(itemsOf("sensors")).toHaveLength(sensorDrivers.size);
    expect(itemsOf("actuators")).toHaveLength(actuatorKinds.size);
  });

  test("describes every block, every broker setting and every common key", () => {
    const nameless = (props: Props) =>
      Object.keys(props).filter((key) => props[key]!["description"] === undefined);
    expect(nameless(properties)).toEqual([]);
    expect(nameless(properties["mqtt"]!["properties"] as Props)).toEqual([]);
    for (const block of ["device", "telemetry", "buffer", "health", "buses", "gpio"]) {
      expect(nameless(properties[block]!["properties"] as Props)).toEqual([]);
    }
    const bme280 = itemsOf("sensors").find((item) => item.if.properties["driver"]!["const"] === "bme280");
    expect(
      nameless(bme280!.then.properties).filter((key) => !["oversampling", "iir_filter"].includes(key)),
    ).toEqual([]);
    expect(
      nameless(itemsOf("actuators")[0]!.then.properties).filter(
        (key) => !["pin", "active_low", "drive", "pulse", "blink"].includes(key),
      ),
    ).toEqual([]);
  });
});
