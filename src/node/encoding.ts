import type { Config } from "../config/config.ts";
import { type EncodeRecord, encodeJson } from "../mqtt/encoding/encoding.ts";
import type { SenmlOptions } from "../mqtt/encoding/senml.ts";
import type { Outgoing } from "../mqtt/link/link.ts";
import { fieldsOf } from "../sensors/driver.ts";
import { filteredFields } from "../sensors/filters.ts";

/** How this node spells its records. Each encoding but JSON is a part of its own. */
export async function encodingOf(config: Config): Promise<EncodeRecord> {
  switch (config.telemetry.encoding) {
    case "json":
      return encodeJson;
    case "cbor":
      return (await import("../mqtt/encoding/cbor.ts")).encodeCbor;
    case "senml+json":
      return (await import("../mqtt/encoding/senml-json.ts")).senmlJsonEncoder(senmlOptions(config));
    case "senml+cbor":
      return (await import("../mqtt/encoding/senml-cbor.ts")).senmlCborEncoder(senmlOptions(config));
  }
}

/** What goes with each record in MQTT 5. */
export function recordProperties({ telemetry }: Config): Pick<Outgoing, "expirySeconds" | "userProperties"> {
  const { message_expiry: expiryMs, user_properties: userProperties } = telemetry;
  return {
    ...(expiryMs !== undefined && { expirySeconds: Math.ceil(expiryMs / 1_000) }),
    ...(userProperties && { userProperties }),
  };
}

function senmlOptions({ device, sensors }: Config): SenmlOptions {
  const fields = new Map(
    sensors.map(({ id, driver, options, filters }) => [
      `telemetry/${id}`,
      filteredFields(fieldsOf(driver, options), filters),
    ]),
  );
  return { device: device.id, unitOf: (topic, field) => fields.get(topic)?.[field]?.unit };
}
