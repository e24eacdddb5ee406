import type { ChipSite, SimChip } from "./chip.ts";
import { simAds1115 } from "./chips/ads1115.ts";
import { simBme280 } from "./chips/bme280.ts";
import { simMax31855 } from "./chips/max31855.ts";
import { simMax31865 } from "./chips/max31865.ts";
import { simMcp3008 } from "./chips/mcp3008.ts";
import { simMhZ19 } from "./chips/mh-z19.ts";
import { simPms5003 } from "./chips/pms5003.ts";
import { simSht4x } from "./chips/sht4x.ts";
import type { SimSerialChip } from "./serial.ts";
import type { SimSpiChip } from "./spi.ts";

/** Every simulated I2C chip by the name of the driver that it answers to. */
export const simChips: ReadonlyMap<string, (site: ChipSite) => SimChip> = new Map([
  ["ads1115", simAds1115],
  ["bme280", simBme280],
  ["sht4x", simSht4x],
]);

/** Every simulated SPI chip, likewise. */
export const simSpiChips: ReadonlyMap<string, (site: ChipSite) => SimSpiChip> = new Map([
  ["max31855", simMax31855],
  ["max31865", simMax31865],
  ["mcp3008", simMcp3008],
]);

/** Every simulated chip on a serial line, likewise. */
export const simSerialChips: ReadonlyMap<string, (site: ChipSite) => SimSerialChip> = new Map([
  ["mh_z19", simMhZ19],
  ["pms5003", simPms5003],
]);
