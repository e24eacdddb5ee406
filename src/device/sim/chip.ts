import type { Clock } from "../clock.ts";
import type { Random } from "../random.ts";
import type { World } from "./world.ts";

/** A chip at register level. Throws a {@link Nack} where the real one would not acknowledge. */
export interface SimChip {
  /** The bytes behind the address. Also called, with none, when a master only asks whether the chip is there. */
  write(bytes: Uint8Array): void;
  read(length: number): Uint8Array;
  /** Power went off and on. */
  reset?(): void;
}

/** Where a chip sits: it measures the world's quantities at `place`, a sensor's id. */
export interface ChipSite {
  readonly place: string;
  readonly world: World;
  readonly clock: Clock;
  readonly random: Random;
}

/** Thrown by a chip that does not acknowledge. */
export class Nack extends Error {
  override readonly name = "Nack";
}
