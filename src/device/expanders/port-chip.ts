/** Bit n stands for pin n. */
export type Pins = number;

/** Every pin of a chip. */
export interface PortState {
  /** Which pins are outputs. */
  readonly outputs: Pins;
  /** The electrical level that each output has, or would have. */
  readonly levels: Pins;
  readonly pullUps: Pins;
}

/** A chip of input and output pins, a whole port at a time. */
export interface PortChip {
  readonly pinCount: number;
  /** What each pin may be pulled to besides what the chip does anyway. */
  readonly pullUps: "chosen" | "always";
  /** What an earlier process left behind, so that opening one pin moves no other. */
  recall(): Promise<PortState>;
  /** Levels before directions: a pin that becomes an output begins with its level. Reads back what it can. */
  write(state: PortState): Promise<void>;
  /** The electrical levels of all pins; lets go of the interrupt line. */
  read(): Promise<Pins>;
}
