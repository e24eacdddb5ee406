import { defineDriver, SensorError } from "./driver.ts";

/** Bits of the 32 (19-5793 rev 5, table 2). */
const RESERVED = (1 << 17) | (1 << 3);
const FAULT = 1 << 16;
const SHORT_TO_SUPPLY = 1 << 2;
const SHORT_TO_GROUND = 1 << 1;
const OPEN = 1 << 0;

export const max31855 = defineDriver({
  name: "max31855",
  chip: "Maxim MAX31855K, J, N, T, S, R, E",
  description: "Thermocouple with cold-junction compensation",
  datasheet: "19-5793 rev 5",
  bus: "spi",
  modes: [0],
  speedHz: { min: 1_000, default: 1_000_000, max: 5_000_000 },
  fields: {
    temperature: { unit: "°C", precision: 2, deviceClass: "temperature" },
    cold_junction_temperature: { unit: "°C", precision: 2, deviceClass: "temperature" },
  },
  options: {},
  async open(device) {
    return { read: async () => decode(await device.transfer([0, 0, 0, 0])) };
  },
});

/**
 * Tables 2 to 5. All zeros are no reading, though they could stand for 0 °C at both ends: a line without a chip says
 * just that.
 */
export function decode(bytes: Uint8Array): { temperature: number; cold_junction_temperature: number } {
  const word = new DataView(bytes.buffer, bytes.byteOffset, 4).getInt32(0);
  const faults = word & (SHORT_TO_SUPPLY | SHORT_TO_GROUND | OPEN);
  const isFrame = word !== 0 && (word & RESERVED) === 0 && ((word & FAULT) !== 0) === (faults !== 0);
  if (!isFrame) {
    throw new SensorError("disconnected", "no MAX31855 answers: check wiring, power and chip select");
  }
  if (faults !== 0) throw new SensorError("disconnected", `thermocouple ${inWords(faults)}`);
  return { temperature: (word >> 18) / 4, cold_junction_temperature: ((word << 16) >> 20) / 16 };
}

function inWords(faults: number): string {
  const words = [
    ...(faults & OPEN ? ["open or not connected"] : []),
    ...(faults & SHORT_TO_GROUND ? ["shorted to ground"] : []),
    ...(faults & SHORT_TO_SUPPLY ? ["shorted to the supply"] : []),
  ];
  return words.join(", ");
}
