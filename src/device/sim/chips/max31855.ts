import type { ChipSite } from "../chip.ts";
import type { SimSpiChip } from "../spi.ts";

/** A MAX31855 (19-5793 rev 5, table 2). The world's `temperature` is that of the thermocouple's tip. */
export function simMax31855({ place, world }: ChipSite): SimSpiChip {
  return {
    modes: [0],
    transfer(bytes) {
      const tip = Math.round(world.get(place, "temperature") * 4) & 0x3fff;
      const junction = Math.round(world.get(place, "cold_junction_temperature") * 16) & 0xfff;
      const frame = [tip >> 6, (tip << 2) & 0xff, junction >> 4, (junction << 4) & 0xff];
      return Uint8Array.from(bytes, (_, index) => frame[index] ?? 0);
    },
  };
}
