import {
  type KernelChip,
  KernelChipError,
  type KernelChips,
  quantityOf,
  type Subsystem,
} from "../kernel-chips.ts";
import type { World } from "./world.ts";

/**
 * - `absent`: the driver lost the chip
 * - `failed`: the driver cannot reach it
 * - `empty`: the file holds nothing, as some drivers tell of a failure
 */
export type SimKernelChipFault = "absent" | "failed" | "empty";

export interface SimKernelChip {
  readonly subsystem: Subsystem;
  readonly name: string;
  readonly i2c?: { readonly devicePath: string; readonly address: number };
  /** Where in the world it measures. */
  readonly place: string;
  /** The field of each channel. */
  readonly channels: Readonly<Record<string, string>>;
}

/** Chips with kernel drivers, on a board without a kernel. */
export class SimKernelChips implements KernelChips {
  readonly #world: World;
  readonly #chips: SimKernelChip[] = [];
  readonly #faults = new Map<string, SimKernelChipFault>();

  constructor({ world }: { readonly world: World }) {
    this.#world = world;
  }

  attach(chip: SimKernelChip): void {
    this.#chips.push(chip);
  }

  /** Makes the chip at a place fail until told otherwise (`undefined`). */
  fail(place: string, fault: SimKernelChipFault | undefined): void {
    if (fault) this.#faults.set(place, fault);
    else this.#faults.delete(place);
  }

  async list(subsystem: Subsystem): Promise<readonly KernelChip[]> {
    return this.#chips
      .filter((chip) => chip.subsystem === subsystem)
      .flatMap((chip, nth) => (this.#faults.get(chip.place) === "absent" ? [] : [this.#open(chip, nth)]));
  }

  #open(chip: SimKernelChip, nth: number): KernelChip {
    const id = chip.subsystem === "iio" ? `iio:device${nth}` : `hwmon${nth}`;
    const fields = new Map(
      Object.entries(chip.channels).map(([channel, field]) => [`${channel}_input`, field]),
    );
    return {
      id,
      names: [chip.name],
      i2c: chip.i2c,
      attributes: ["name", ...fields.keys()],
      read: async (attribute) => {
        const fault = this.#faults.get(chip.place);
        if (fault === "absent") throw new KernelChipError("absent", `${id} ${attribute}: has gone`);
        if (fault === "failed") throw new KernelChipError("io", `${id} ${attribute}: EIO`);
        if (fault === "empty") return "";
        const field = fields.get(attribute);
        if (field === undefined) throw new KernelChipError("absent", `${id} has no ${attribute}`);
        const channel = attribute.replace(/_input$/, "");
        const value = this.#world.get(chip.place, field) / (quantityOf(chip.subsystem, channel)?.factor ?? 1);
        return chip.subsystem === "iio" ? value.toFixed(6) : String(Math.round(value));
      },
    };
  }
}
