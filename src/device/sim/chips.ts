import type { ChipSite, SimChip } from "./chip.ts";
import { simAds1115 } from "./chips/ads1115.ts";
import { simBme280 } from "./chips/bme280.ts";
import { simSht4x } from "./chips/sht4x.ts";

/** Every simulated I2C chip by the name of the driver that it answers to. */
export const simChips: ReadonlyMap<string, (site: ChipSite) => SimChip> = new Map([
  ["ads1115", simAds1115],
  ["bme280", simBme280],
  ["sht4x", simSht4x],
]);
