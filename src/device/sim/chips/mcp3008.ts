import type { ChipSite } from "../chip.ts";
import type { SimSpiChip } from "../spi.ts";

/** What the pin VREF is wired to. */
const REFERENCE_VOLTS = 3.3;

/** An MCP3008 (DS21295D, section 5). The world's quantities at its pins are `ch0` to `ch7`, in volts. */
export function simMcp3008({ place, world }: ChipSite): SimSpiChip {
  const voltsAt = (channel: number) => world.get(place, `ch${channel}`);

  function convert(selection: number): number {
    const channel = selection & 0b111;
    // The second of a pair is the negative one.
    const volts = (selection & 0b1000) !== 0 ? voltsAt(channel) : voltsAt(channel) - voltsAt(channel ^ 1);
    return Math.min(1_023, Math.max(0, Math.round((volts / REFERENCE_VOLTS) * 1_024)));
  }

  return {
    modes: [0, 3],
    transfer(bytes) {
      // Until the start bit and the four behind it have come, nothing is on the line.
      const [start = 0, selection = 0] = bytes;
      if (bytes.length < 3 || start !== 1) return new Uint8Array(bytes.length).fill(0xff);
      const code = convert(selection >> 4);
      return Uint8Array.of(0xff, 0b1111_1000 | (code >> 8), code & 0xff);
    },
  };
}
