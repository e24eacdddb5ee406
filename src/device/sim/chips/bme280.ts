import type { ChipSite, SimChip } from "../chip.ts";
import { fineTemperature, rawHumidity, rawPressure, rawTemperature, TRIM } from "./bme280-inverse.ts";

/** Registers (BST-BME280-DS002 revision 1.6, table 18). */
const ID = 0xd0;
const RESET = 0xe0;
const CTRL_HUM = 0xf2;
const STATUS = 0xf3;
const CTRL_MEAS = 0xf4;
const CONFIG = 0xf5;
const DATA = 0xf7;

/** Time in which the trimming parameters are copied from the non-volatile memory. */
const IM_UPDATE_MS = 1.5;

/** Filter coefficients by their code (section 5.4.6). */
const COEFFICIENTS = [1, 2, 4, 8, 16, 16, 16, 16];

const SKIPPED_20_BITS = 0x80000;
const SKIPPED_16_BITS = 0x8000;

/** A BME280 in sleep and forced mode, with its oversampling and filter; normal mode measures once, like forced. */
export function simBme280({ place, world, clock, random }: ChipSite): SimChip {
  const registers = new Uint8Array(256);
  let pointer = 0;
  let loadedAtMs = 0;
  let measuredAtMs: number | undefined;
  let humidityOversampling = 0;
  let filtered: { temperature: number; pressure: number } | undefined;

  function reset(): void {
    registers.fill(0);
    registers[ID] = 0x60;
    writeTrim(registers);
    putData(SKIPPED_20_BITS, SKIPPED_20_BITS, SKIPPED_16_BITS);
    humidityOversampling = 0;
    measuredAtMs = undefined;
    filtered = undefined;
    loadedAtMs = clock.monotonicMs() + IM_UPDATE_MS;
  }

  function putData(pressure: number, temperature: number, humidity: number): void {
    for (const [index, value] of [pressure, temperature].entries()) {
      registers.set([value >> 12, (value >> 4) & 0xff, (value & 0x0f) << 4], DATA + 3 * index);
    }
    registers.set([humidity >> 8, humidity & 0xff], DATA + 6);
  }

  function writeRegister(register: number, value: number): void {
    if (register === RESET) {
      if (value === 0xb6) reset();
    } else if (register === CTRL_HUM || register === CONFIG) {
      registers[register] = value;
    } else if (register === CTRL_MEAS) {
      registers[CTRL_MEAS] = value;
      humidityOversampling = oversampling(registers[CTRL_HUM]!);
      if ((value & 0b11) !== 0) measuredAtMs = clock.monotonicMs() + conversionMs();
    }
  }

  /** Between the typical and the longest time of section 9.1. */
  function conversionMs(): number {
    const { temperature, pressure } = oversamplings();
    const share = random();
    const perSample = 2 + 0.3 * share;
    const perChannel = 0.5 + 0.075 * share;
    return (
      1 +
      0.25 * share +
      perSample * (temperature + pressure + humidityOversampling) +
      perChannel * (Math.sign(pressure) + Math.sign(humidityOversampling))
    );
  }

  function oversamplings(): { temperature: number; pressure: number } {
    const bits = registers[CTRL_MEAS]!;
    return { temperature: oversampling(bits >> 5), pressure: oversampling(bits >> 2) };
  }

  function finishMeasurement(): void {
    if (measuredAtMs === undefined || clock.monotonicMs() < measuredAtMs) return;
    measuredAtMs = undefined;
    registers[CTRL_MEAS]! &= ~0b11;
    const { temperature, pressure } = oversamplings();
    const exactTemperature = rawTemperature(world.get(place, "temperature"));
    const fine = fineTemperature(exactTemperature);
    const exactPressure = rawPressure(world.get(place, "pressure") * 100, fine);
    const kept = filter(exactTemperature, exactPressure);
    putData(
      pressure === 0 ? SKIPPED_20_BITS : resolve(kept.pressure, pressure),
      temperature === 0 ? SKIPPED_20_BITS : resolve(kept.temperature, temperature),
      humidityOversampling === 0 ? SKIPPED_16_BITS : rawHumidity(world.get(place, "humidity"), fine),
    );
  }

  /** The IIR filter (section 3.4.4); the first measurement sets its memory. */
  function filter(temperature: number, pressure: number): { temperature: number; pressure: number } {
    const coefficient = filterCoefficient();
    const blend = (old: number, now: number) => Math.round((old * (coefficient - 1) + now) / coefficient);
    filtered = filtered
      ? {
          temperature: blend(filtered.temperature, temperature),
          pressure: blend(filtered.pressure, pressure),
        }
      : { temperature, pressure };
    return filtered;
  }

  function filterCoefficient(): number {
    return COEFFICIENTS[(registers[CONFIG]! >> 2) & 0b111]!;
  }

  /** 20 bits with the filter on, else 16 and one more with each doubling of the oversampling (table 5). */
  function resolve(raw: number, times: number): number {
    const bits = filterCoefficient() > 1 ? 20 : 16 + Math.log2(times);
    return raw & (-1 << (20 - bits));
  }

  function statusBits(): number {
    const updating = clock.monotonicMs() < loadedAtMs ? 1 : 0;
    return (measuredAtMs === undefined ? 0 : 1 << 3) | updating;
  }

  reset();
  return {
    reset,
    write(bytes) {
      finishMeasurement();
      if (bytes.length > 0) pointer = bytes[0]!;
      // A write goes on in pairs of register and value: the address does not count up (section 6.2.1).
      for (let at = 0; at + 1 < bytes.length; at += 2) writeRegister(bytes[at]!, bytes[at + 1]!);
    },
    read(length) {
      finishMeasurement();
      registers[STATUS] = statusBits();
      return Uint8Array.from({ length }, (_, index) => registers[(pointer + index) & 0xff]!);
    },
  };
}

/** Oversampling by its code in the three low bits (tables 20, 23 and 24). */
function oversampling(bits: number): number {
  const code = bits & 0b111;
  return code === 0 ? 0 : 2 ** (Math.min(5, code) - 1);
}

/** The layout of section 4.2.2. */
function writeTrim(registers: Uint8Array): void {
  const view = new DataView(registers.buffer);
  for (const [index, value] of [...TRIM.T, ...TRIM.P].entries()) {
    view.setInt16(0x88 + 2 * index, value, true);
  }
  const [h1, h2, h3, h4, h5, h6] = TRIM.H;
  registers[0xa1] = h1;
  view.setInt16(0xe1, h2, true);
  registers.set([h3, (h4 >> 4) & 0xff, ((h5 & 0x0f) << 4) | (h4 & 0x0f), (h5 >> 4) & 0xff, h6 & 0xff], 0xe3);
}
