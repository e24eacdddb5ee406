/** What a board has, whether or not a configuration names it. */
export interface Inventory {
  readonly i2c: readonly I2cAdapter[];
  readonly gpio: readonly GpioChipInfo[];
}

export interface I2cAdapter {
  readonly devicePath: string;
  /** The adapter's own name (`bcm2835 (i2c@7e804000)`). */
  readonly name: string;
}

export interface GpioChipInfo {
  /** `gpiochip0` */
  readonly name: string;
  readonly label: string;
  readonly lineCount: number;
  /** Lines that somebody has. */
  readonly used: readonly UsedLine[];
  /** Why the lines are not known. */
  readonly error?: string;
}

export interface UsedLine {
  readonly offset: number;
  /** Empty where the board gives it none. */
  readonly name: string;
  /** Empty where the owner did not say. */
  readonly consumer: string;
}
