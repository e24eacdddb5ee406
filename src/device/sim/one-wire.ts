import type { Clock } from "../clock.ts";
import { type OneWire, OneWireError, type Resolution } from "../one-wire.ts";
import { crc8Dallas } from "./crc8.ts";
import type { World } from "./world.ts";

/**
 * - `crc`: the text ends in `NO`, as kernels before 6.12 tell of a wrong checksum
 * - `absent`: the text is empty, as kernel 6.12 tells of a wrong checksum and of a chip that went away
 * - `power_on`: the chip lost power in between and answers with its reset value, 85 °C
 * - `shorted`: data line at ground: all zeros, whose checksum is right
 */
export type OneWireSimFault = "crc" | "absent" | "power_on" | "shorted";

/** Time of a 12-bit conversion (DS18B20 datasheet, table 2). */
const CONVERSION_MS = 750;

const POWER_ON_RAW = 85 * 16;

/** The kernel's 1-Wire bus with thermometers on it. The kernel lets one conversion at a time onto a bus. */
export class SimOneWire implements OneWire {
  readonly #clock: Clock;
  readonly #world: World;
  readonly #places = new Map<string, string>();
  readonly #faults = new Map<string, OneWireSimFault>();
  readonly #bits = new Map<string, Resolution>();
  #last: Promise<unknown> = Promise.resolve();

  constructor({ clock, world }: { readonly clock: Clock; readonly world: World }) {
    this.#clock = clock;
    this.#world = world;
  }

  /** Wires a thermometer: id as the kernel writes it (`28-00000a1b2c3d`), place as the world knows it. */
  attach(id: string, place: string): void {
    this.#places.set(id, place);
  }

  /** Takes a thermometer away for good: the kernel has forgotten it. */
  detach(id: string): void {
    this.#places.delete(id);
  }

  /** Makes a thermometer fail until told otherwise (`undefined`). */
  fail(id: string, fault: OneWireSimFault | undefined): void {
    if (fault) this.#faults.set(id, fault);
    else this.#faults.delete(id);
  }

  async setResolution(id: string, bits: Resolution): Promise<void> {
    if (!this.#places.has(id)) throw new OneWireError("absent", `no 1-Wire slave ${id}`);
    this.#bits.set(id, bits);
  }

  async ids(): Promise<readonly string[]> {
    return [...this.#places.keys()];
  }

  readThermometer(id: string): Promise<string> {
    const turn = this.#last.then(() => this.#convert(id));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #convert(id: string): Promise<string> {
    const place = this.#places.get(id);
    if (place === undefined) throw new OneWireError("absent", `no 1-Wire slave ${id}`);
    await this.#clock.sleep(CONVERSION_MS / this.#coarseness(id));
    switch (this.#faults.get(id)) {
      case "absent":
        return "";
      case "shorted":
        return w1SlaveText(new Uint8Array(9), 0);
      case "power_on":
        return w1SlaveText(scratchpad(POWER_ON_RAW, 0x0c), POWER_ON_RAW);
      case "crc":
        return this.#corrupt(this.#rawTemperature(place, id));
      default:
        return w1SlaveText(scratchpad(this.#rawTemperature(place, id)), this.#rawTemperature(place, id));
    }
  }

  /** Sixteenths of a degree Celsius, in the chip's range of -55..125. */
  #rawTemperature(place: string, id: string): number {
    const step = this.#coarseness(id);
    const celsius = Math.min(125, Math.max(-55, this.#world.get(place, "temperature")));
    return Math.floor(Math.round(celsius * 16) / step) * step;
  }

  /** Sixteenths in a step at the thermometer's resolution: 1 at 12 bits. */
  #coarseness(id: string): number {
    return 2 ** (12 - (this.#bits.get(id) ?? 12));
  }

  #corrupt(raw: number): string {
    const bytes = scratchpad(raw);
    bytes[0]! ^= 0x10;
    return w1SlaveText(bytes, raw);
  }
}

/**
 * DS18B20 scratchpad (datasheet figure 9): temperature, alarms, configuration 12 bits, reserved bytes, CRC. A genuine
 * chip's reserved byte 6 is 0x0c after power-on and counts down with the sixteenths after a conversion.
 */
function scratchpad(raw: number, reserved = 0x10 - (raw & 0xf)): Uint8Array {
  const bytes = Uint8Array.of(raw & 0xff, (raw >> 8) & 0xff, 0x4b, 0x46, 0x7f, 0xff, reserved, 0x10, 0);
  bytes[8] = crc8Dallas(bytes.subarray(0, 8));
  return bytes;
}

/** The text of the kernel's `w1_slave` file (drivers/w1/slaves/w1_therm.c). */
function w1SlaveText(bytes: Uint8Array, raw: number): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const crc = crc8Dallas(bytes.subarray(0, 8));
  const verdict = crc === bytes[8] ? "YES" : "NO";
  const milliCelsius = Math.trunc((raw * 1000) / 16);
  return `${hex} : crc=${crc.toString(16).padStart(2, "0")} ${verdict}\n${hex} t=${milliCelsius}\n`;
}
