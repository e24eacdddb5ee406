import { afterEach, describe, expect, test } from "vitest";
import type { ActuatorKind } from "../../src/actuators/kind.ts";
import type { Config } from "../../src/config/config.ts";
import { withoutGone } from "../../src/home-assistant/announce.ts";
import { type Component, entitiesOf } from "../../src/home-assistant/entities.ts";
import { type Simulation, simulate } from "../../src/index.ts";
import { topicsUnder } from "../../src/mqtt/convention/topics.ts";
import { fieldsOf } from "../../src/sensors/driver.ts";
import { loadSensorDrivers } from "../../src/sensors/registry.ts";
import { OPTIONS, REQUIRED, STATE_CLASSES, TOTALS, UNITS } from "./documented.ts";

const config = (sensors: string, more = "") => `
device: { id: n1, name: North greenhouse }
mqtt: { url: mqtt://broker.example, home_assistant: {}, reconnect: { min: 1s, max: 1s } }
sensors: ${sensors}
actuators:
  - { id: pump, driver: digital_output, pin: 22 }
${more}`;

const BOTH = "[{ id: air, driver: bme280 }, { id: door, driver: digital_input, pin: 17 }]";
const TOPIC = "homeassistant/device/fieldpost_n1/config";

let sim: Simulation;
afterEach(() => sim?.stop());

async function start(text = config(BOTH)): Promise<void> {
  sim = await simulate({ config: text });
  await sim.advance("5s");
}

interface Discovery {
  readonly dev: Record<string, unknown>;
  readonly o: Record<string, unknown>;
  readonly avty: unknown;
  readonly cmps: Record<string, Component>;
}

const announced = () => JSON.parse(sim.broker.retained(TOPIC)!) as Discovery;
const published = () => sim.broker.messages(TOPIC).map(({ payload }) => JSON.parse(payload) as Discovery);

/** Everything that Home Assistant would refuse in a component. */
function faults(key: string, component: Component): string[] {
  const { p, unique_id, device_class, state_class, unit_of_measurement } = component;
  const known = OPTIONS[p];
  if (!known) return [`${key}: unknown platform ${p}`];
  const units = p === "sensor" && typeof device_class === "string" ? UNITS[device_class] : undefined;
  return [
    ...Object.keys(component)
      .filter((option) => !known.includes(option))
      .map((option) => `${key}: ${p} has no option ${option}`),
    ...REQUIRED[p]!.filter((option) => !(option in component)).map(
      (option) => `${key}: ${option} is missing`,
    ),
    ...(unique_id ? [] : [`${key}: unique_id is missing`]),
    ...(p === "sensor" && device_class !== undefined && !units
      ? [`${key}: no device class ${device_class}`]
      : []),
    ...(units && !units.includes(unit_of_measurement as string | undefined)
      ? [`${key}: ${device_class} has no unit ${unit_of_measurement}`]
      : []),
    ...(state_class !== undefined && !STATE_CLASSES.includes(state_class as string)
      ? [`${key}: no state class ${state_class}`]
      : []),
    ...(TOTALS.includes(device_class as string) && state_class === "measurement"
      ? [`${key}: ${device_class} cannot be a measurement`]
      : []),
  ];
}

describe("the announcement to Home Assistant", () => {
  test("is one retained message with device, origin, availability and an entity of everything", async () => {
    await start();
    expect(sim.broker.messages(TOPIC)[0]).toMatchObject({ retain: true, qos: 1 });
    const { dev, o, avty, cmps } = announced();
    expect(dev).toMatchObject({ ids: ["fieldpost_n1"], name: "North greenhouse", sw: "simulated" });
    expect(o).toEqual({ name: "fieldpost", sw: "simulated" });
    expect(avty).toEqual([{ t: "fieldpost/n1/status", pl_avail: "online", pl_not_avail: "offline" }]);
    expect(cmps["sensor-air-temperature"]).toMatchObject({
      p: "sensor",
      unique_id: "fieldpost-n1-sensor-air-temperature",
      name: "Air temperature",
      device_class: "temperature",
      state_class: "measurement",
      unit_of_measurement: "°C",
      suggested_display_precision: 2,
      state_topic: "fieldpost/n1/telemetry/air",
    });
    expect(cmps["sensor-door-active"]).toMatchObject({
      p: "binary_sensor",
      state_topic: "fieldpost/n1/telemetry/door",
    });
    expect(cmps["actuator-pump"]).toMatchObject({ p: "switch", command_topic: "fieldpost/n1/command/pump" });
    expect(cmps["node-restart"]).toMatchObject({ p: "button", payload_press: '{"do":"restart"}' });
    expect(cmps["node-identify"]).toMatchObject({
      p: "button",
      device_class: "identify",
      payload_press: '{"do":"identify"}',
    });
    expect(cmps["node-cpu_temperature"]).toMatchObject({ p: "sensor", entity_category: "diagnostic" });
    expect(cmps["fault-air"]).toMatchObject({ p: "binary_sensor", device_class: "problem" });
  });

  test("has nothing that Home Assistant's documentation does not have", async () => {
    await start();
    const { cmps } = announced();
    expect(Object.entries(cmps).flatMap(([key, component]) => faults(key, component))).toEqual([]);
    const ids = Object.values(cmps).map(({ unique_id }) => unique_id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const key of Object.keys(cmps)) expect(key).toMatch(/^[A-Za-z0-9_-]+$/);
  });

  test("names only topics and values that the node really speaks", async () => {
    await start();
    await sim.advance("2m");
    const { cmps } = announced();
    for (const [key, { state_topic }] of Object.entries(cmps))
      if (typeof state_topic === "string")
        expect(sim.broker.messages(state_topic).length, `${key} listens to ${state_topic}`).toBeGreaterThan(
          0,
        );
    const press = cmps["node-sample"] as unknown as { command_topic: string; payload_press: string };
    const before = sim.messages("telemetry/air").length;
    await sim.broker.publish(press.command_topic, press.payload_press);
    await sim.advance("1s");
    expect(sim.messages("telemetry/air").length).toBe(before + 1);
    const pump = cmps["actuator-pump"] as unknown as { command_topic: string; payload_on: string };
    await sim.broker.publish(pump.command_topic, pump.payload_on);
    await sim.advance("1s");
    expect(JSON.parse(sim.retained("state/pump")!)).toMatchObject({
      state: cmps["actuator-pump"]!["state_on"],
    });
  });

  test("ignores what was taken while the node was away", async () => {
    await start();
    for (const { p, state_topic, value_template } of Object.values(announced().cmps))
      if ((p === "sensor" || p === "binary_sensor") && String(state_topic).includes("/telemetry/"))
        expect(value_template).toMatch(
          /^\{% if .* and not value_json\.historical and not value_json\.resent %\}.*\{% endif %\}$/,
        );
  });

  test("is not repeated where the broker has it still, and comes back where it has lost it", async () => {
    await start();
    const reconnect = async () => {
      sim.broker.cut();
      await sim.advance("1s");
      sim.broker.restore();
      await sim.advance("10s");
    };
    await reconnect();
    expect(published()).toHaveLength(1);
    await sim.broker.forget();
    await reconnect();
    expect(published()).toHaveLength(2);
  });

  test("is repeated when Home Assistant starts", async () => {
    await start();
    await sim.broker.publish("homeassistant/status", "offline");
    await sim.advance("1s");
    expect(published()).toHaveLength(1);
    await sim.broker.publish("homeassistant/status", "online");
    await sim.advance("1s");
    expect(published()).toHaveLength(2);
  });

  test("takes away the entities that a new configuration no longer has, across a restart", async () => {
    await start();
    await sim.reload(config("[{ id: air, driver: bme280 }]"));
    await sim.advance("5s");
    const [, farewell, final] = published();
    expect(farewell!.cmps["sensor-door-active"]).toEqual({ p: "binary_sensor" });
    expect(farewell!.cmps["fault-door"]).toEqual({ p: "binary_sensor" });
    expect(farewell!.cmps["sensor-air-temperature"]).toHaveProperty("state_topic");
    expect(Object.keys(final!.cmps)).not.toContain("sensor-door-active");
    expect(announced()).toEqual(final);
  });

  test("makes nothing of a retained message that it cannot read", () => {
    for (const strange of ["", "{", "[]", "null", '{"cmps":4}', '{"cmps":{"a":null,"b":{"p":7}}}'])
      expect(withoutGone(strange, '{"cmps":{}}')).toBeUndefined();
  });

  test("uses another prefix, and still hears Home Assistant's own birth topic", async () => {
    await start(config("[]").replace("home_assistant: {}", "home_assistant: { discovery_prefix: ha/test }"));
    expect(sim.broker.retained("ha/test/device/fieldpost_n1/config")).toBeDefined();
    await sim.broker.publish("homeassistant/status", "online");
    await sim.advance("1s");
    expect(sim.broker.messages("ha/test/device/fieldpost_n1/config")).toHaveLength(2);
  });
});

describe("an actuator", () => {
  const kind = (
    values: readonly string[],
    range?: { min: number; max: number; unit: string },
  ): ActuatorKind => ({
    name: "anything",
    description: "",
    options: {},
    pins: () => [],
    accepts: (value) => (typeof value === "number" ? range !== undefined : values.includes(value)),
    ...(range && { range: () => range }),
    open: () => Promise.reject(new Error("not part of this test")),
  });

  async function entity(of: ActuatorKind, keys: Config["commands"]["keys"] = {}): Promise<Component> {
    await start();
    const changed = {
      ...sim.config,
      commands: { ...sim.config.commands, keys },
      actuators: sim.config.actuators.map((actuator) => ({ ...actuator, kind: of })),
    };
    const entities = entitiesOf({
      config: changed,
      topics: topicsUnder("fieldpost/n1"),
      nodeActions: ["restart"],
    });
    expect(faults("pump", entities["actuator-pump"]!)).toEqual([]);
    if (Object.keys(keys).length > 0) expect(Object.keys(entities)).not.toContain("node-restart");
    return entities["actuator-pump"]!;
  }

  test("becomes the entity that fits what it takes, whatever its kind is called", async () => {
    expect(await entity(kind(["on", "off"]))).toMatchObject({ p: "switch" });
    expect(await entity(kind(["on", "off"], { min: 0, max: 100, unit: "%" }))).toMatchObject({
      p: "number",
      min: 0,
      max: 100,
      unit_of_measurement: "%",
    });
    expect(await entity(kind(["open", "close", "stop"]))).toMatchObject({ p: "cover", payload_stop: "stop" });
    expect(await entity(kind(["open", "close", "stop"], { min: 0, max: 100, unit: "%" }))).toMatchObject({
      p: "cover",
      set_position_topic: "fieldpost/n1/command/pump",
    });
    expect(await entity(kind([]))).toMatchObject({ p: "sensor" });
  });

  test("can only be looked at where commands must be signed", async () => {
    const keys = { office: "0".repeat(64) } as unknown as Config["commands"]["keys"];
    expect(await entity(kind(["on", "off"]), keys)).not.toHaveProperty("command_topic");
  });
});

describe("every driver's fields", () => {
  test("have device classes, units and state classes that Home Assistant takes", async () => {
    const drivers = await loadSensorDrivers();
    const wrong = [...drivers.values()].flatMap((driver) => {
      const fields = typeof driver.fields === "function" ? {} : fieldsOf(driver, {});
      return Object.entries(fields).flatMap(
        ([name, { unit, deviceClass, stateClass = "measurement", boolean }]) =>
          boolean
            ? []
            : faults(`${driver.name}.${name}`, {
                p: "sensor",
                unique_id: "x",
                name: "x",
                state_topic: "x",
                state_class: stateClass,
                ...(unit !== "" && { unit_of_measurement: unit }),
                ...(deviceClass !== undefined && { device_class: deviceClass }),
              }),
      );
    });
    expect(wrong).toEqual([]);
  });
});
