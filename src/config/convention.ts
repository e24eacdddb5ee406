import { collisions, homieId, isHomieId } from "../mqtt/convention/homie-id.ts";
import { fieldsOf } from "../sensors/driver.ts";
import type { ActuatorConfig, SensorConfig } from "./config.ts";
import { type Finding, wrongKey, wrongValue } from "./finding.ts";
import type { Sections } from "./sections.ts";
import type { Item } from "./wiring.ts";

/** What a convention other than our own has no room for, or no words. */
export function checkConvention(
  { device, mqtt, telemetry, commands }: Partial<Sections>,
  sensors: readonly Item<SensorConfig>[],
  actuators: readonly Item<ActuatorConfig>[],
): Finding[] {
  const convention = mqtt?.convention;
  if (!mqtt || convention === undefined || convention === "fieldpost") return [];
  const findings: Finding[] = [];
  if (mqtt.topic_root !== undefined)
    findings.push(
      wrongKey(
        ["mqtt", "topic_root"],
        `topic_root has no effect with ${convention}, which has its own topics`,
      ),
    );
  if (mqtt.home_assistant !== undefined)
    findings.push(
      wrongKey(
        ["mqtt", "home_assistant"],
        `home_assistant needs mqtt.convention: fieldpost: Home Assistant does not read ${convention}`,
      ),
    );
  if (telemetry !== undefined && telemetry.encoding !== "json")
    findings.push(
      wrongValue(
        ["telemetry", "encoding"],
        `${telemetry.encoding} has no effect with ${convention}: leave it out`,
      ),
    );
  for (const key of ["message_expiry", "user_properties"] as const)
    if (telemetry?.[key] !== undefined)
      findings.push(wrongKey(["telemetry", key], `${key} has no effect with ${convention}: leave it out`));
  if (convention === "homie5" && commands !== undefined && Object.keys(commands.keys).length > 0)
    findings.push(
      wrongKey(["commands", "keys"], `keys: commands of ${convention} have no room for a signature`),
    );
  if (mqtt.session_expiry > 0)
    findings.push(
      wrongValue(
        ["mqtt", "session_expiry"],
        convention === "sparkplug_b"
          ? // Eclipse Sparkplug 3.0.0, section 2.3.
            `must be 0s with ${convention}, whose sessions start clean`
          : `must be 0s with ${convention}: its commands do not say when they were issued, so none that the broker queued may be carried out`,
      ),
    );
  return [
    ...findings,
    ...(convention === "homie5"
      ? checkHomieIds(device, sensors, actuators)
      : checkSparkplugIds(sensors, actuators)),
  ];
}

/** A sensor and an actuator are both Sparkplug devices, and told apart by their id alone. */
function checkSparkplugIds(
  sensors: readonly Item<SensorConfig>[],
  actuators: readonly Item<ActuatorConfig>[],
): Finding[] {
  const taken = new Set(sensors.map(({ resolved }) => resolved.config?.id));
  return actuators.flatMap(({ path, resolved }) => {
    const id = resolved.config?.id;
    if (id === undefined || !taken.has(id)) return [];
    return [
      wrongValue([...path, "id"], `a sensor is called ${id} too: to Sparkplug both are devices of the node`),
    ];
  });
}

function checkHomieIds(
  device: Sections["device"] | undefined,
  sensors: readonly Item<SensorConfig>[],
  actuators: readonly Item<ActuatorConfig>[],
): Finding[] {
  const findings: Finding[] = [];
  // Other devices are not in sight here: an id that would have to be changed could become theirs.
  if (device !== undefined && !isHomieId(device.id))
    findings.push(
      wrongValue(["device", "id"], "Homie takes lower-case letters, digits and - in ids", homieId(device.id)),
    );
  const users = [...sensors, ...actuators].filter(({ resolved }) => resolved.config !== undefined);
  for (const [index, other] of collisions(users.map(({ resolved }) => resolved.config!.id))) {
    const { path, resolved } = users[index]!;
    const { id } = resolved.config!;
    if (other !== id)
      findings.push(wrongValue([...path, "id"], `${other} and ${id} are both ${homieId(id)} to Homie`));
    // Two of one list are told of that anyway.
    else if (path[0] === "actuators" && sensors.some((sensor) => sensor.resolved.config?.id === id))
      findings.push(
        wrongValue([...path, "id"], `a sensor is called ${id} too: to Homie both are nodes of the device`),
      );
  }
  for (const { path, resolved } of sensors) {
    if (!resolved.config) continue;
    const { driver, options } = resolved.config;
    const names = Object.keys(fieldsOf(driver, options)).map(homieId);
    const twice = names.find((name, index) => name === "reading" || names.indexOf(name) !== index);
    if (twice !== undefined)
      findings.push(wrongValue([...path, "driver"], `to Homie two fields of ${driver.name} are ${twice}`));
  }
  return findings;
}
