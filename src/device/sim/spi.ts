import type { Clock } from "../clock.ts";
import { type SpiDevice, SpiError, type SpiMode, type SpiSettings } from "../spi.ts";

/**
 * - `all_ones`, `all_zeros`: no chip answers, and the line floats to the supply or to ground
 * - `failed`: the controller reports an error
 * - `hang`: the transfer ends only when the fault is cleared
 */
export type SimSpiFault = "all_ones" | "all_zeros" | "failed" | "hang";

/** A chip at byte level. */
export interface SimSpiChip {
  /** The modes in which it understands anything. */
  readonly modes: readonly SpiMode[];
  /** One selection: what it says while these bytes come in. */
  transfer(bytes: Uint8Array): Uint8Array;
  /** Power went off and on. */
  reset?(): void;
}

/** The chip selects of the simulated board. */
export class SimSpi {
  readonly #clock: Clock;
  readonly #chips = new Map<string, SimSpiChip>();
  readonly #faults = new Map<string, { readonly fault: SimSpiFault; readonly cleared: AbortController }>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  attach(devicePath: string, chip: SimSpiChip): void {
    this.#chips.set(devicePath, chip);
  }

  chip(devicePath: string): SimSpiChip | undefined {
    return this.#chips.get(devicePath);
  }

  /** Makes a chip select fail until told otherwise (`undefined`). */
  fail(devicePath: string, fault: SimSpiFault | undefined): void {
    this.#faults.get(devicePath)?.cleared.abort();
    if (fault) this.#faults.set(devicePath, { fault, cleared: new AbortController() });
    else this.#faults.delete(devicePath);
  }

  device({ devicePath, mode, speedHz }: SpiSettings): SpiDevice {
    let busy = false;
    return {
      name: devicePath,
      transfer: async (bytes) => {
        if (busy) throw new Error(`${devicePath}: a second transfer beside one that has not ended`);
        busy = true;
        try {
          await this.#clock.sleep((bytes.length * 8 * 1_000) / speedHz);
          return await this.#carry(devicePath, mode, Uint8Array.from(bytes));
        } finally {
          busy = false;
        }
      },
      close: async () => {},
    };
  }

  async #carry(devicePath: string, mode: SpiMode, bytes: Uint8Array): Promise<Uint8Array> {
    const struck = this.#faults.get(devicePath);
    switch (struck?.fault) {
      case "failed":
        throw new SpiError("io", `${devicePath}: the controller failed`);
      case "hang":
        await new Promise<void>((resolve) =>
          struck.cleared.signal.addEventListener("abort", () => resolve(), { once: true }),
        );
        throw new SpiError("timeout", `${devicePath}: hung`);
      case "all_zeros":
        return new Uint8Array(bytes.length);
      default:
    }
    const chip = struck ? undefined : this.#chips.get(devicePath);
    // The line has a pull-up where no chip drives it, and a chip in another mode takes the bits at the wrong edges.
    return chip?.modes.includes(mode) ? chip.transfer(bytes) : new Uint8Array(bytes.length).fill(0xff);
  }
}
