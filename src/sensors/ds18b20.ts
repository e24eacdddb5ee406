import * as v from "valibot";
import { type OneWire, OneWireError } from "../device/one-wire.ts";
import { defineDriver, SensorError } from "./driver.ts";
import { parseW1Slave } from "./w1-slave.ts";

const options = {
  /** As the kernel writes it; default: the only thermometer on the bus. */
  wire_id: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(10|22|28|3b|42)-[0-9a-f]{12}$/, "expected a 1-Wire id such as 28-00000a1b2c3d"),
    ),
  ),
  /** Bits: 9, 10 or 11 measure in 94, 188 or 375 ms. Absent: as the chip has it, 12 when new. */
  resolution: v.optional(v.picklist([9, 10, 11, 12])),
};

/** Any thermometer that the kernel's w1_therm serves and whose range is the DS18B20's. */
export const ds18b20 = defineDriver({
  name: "ds18b20",
  bus: "one_wire",
  chip: "Maxim DS18B20, DS18S20, DS1822, DS1825, DS28EA00",
  description: "1-Wire thermometer, through the kernel's w1-gpio and w1_therm",
  datasheet: "DS18B20 datasheet, 19-7487 rev 6",
  fields: { temperature: { unit: "°C", precision: 2, deviceClass: "temperature" } },
  options,
  async open(wire, options) {
    const id = options.wire_id ?? (await onlyThermometer(wire));
    if (options.resolution) await wire.setResolution(id, options.resolution);
    return { read: async () => ({ temperature: parseW1Slave(await wire.readThermometer(id)) }) };
  },
});

async function onlyThermometer(wire: OneWire): Promise<string> {
  const ids = await wire.ids();
  const [id] = ids;
  if (id === undefined) {
    throw new OneWireError("absent", "no 1-Wire thermometer found: check wiring and the 4.7 kΩ pull-up");
  }
  if (ids.length > 1) {
    throw new SensorError(
      "wrong_chip",
      `several thermometers found: set wire_id to one of ${ids.join(", ")}`,
    );
  }
  return id;
}
