import type { Clock } from "../clock.ts";
import type { I2cDevice } from "../i2c.ts";
import { assertWave, type Pwm, PwmError, type PwmWave } from "../pwm.ts";

/** NXP PCA9685 rev. 4, tables 4 to 6. */
const MODE1 = 0x00;
const LED0_ON_L = 0x06;
const PRE_SCALE = 0xfe;

/** MODE1: registers follow each other; oscillator off. */
const AUTO_INCREMENT = 0x20;
const SLEEP = 0x10;

/** LEDn_ON_H and LEDn_OFF_H, bit 4: the whole period on, or off (which wins). */
const FULL = 0x10;

const OSCILLATOR_HZ = 25_000_000;
const STEPS = 4_096;

/** The oscillator needs 500 µs to start (table 5, note 2). */
const START_MS = 1;

const CHANNEL_COUNT = 16;

export interface Pca9685Options {
  readonly name: string;
  readonly frequencyHz: number;
  readonly clock: Clock;
}

/** Section 7.3.5: the value that comes nearest to a frequency, which all channels share. */
export function prescale(frequencyHz: number): number {
  return Math.min(255, Math.max(3, Math.round(OSCILLATOR_HZ / (STEPS * frequencyHz)) - 1));
}

/** LEDn_ON_L, ON_H, OFF_L and OFF_H of a wave; the oscillator is good to some percent, and so is a pulse's length. */
export function ledRegisters({ periodNs, pulseNs }: PwmWave, inverted: boolean): number[] {
  const share = inverted ? 1 - pulseNs / periodNs : pulseNs / periodNs;
  const steps = Math.round(share * STEPS);
  if (steps <= 0) return [0, 0, 0, FULL];
  if (steps >= STEPS) return [0, FULL, 0, 0];
  return [0, 0, steps & 0xff, steps >> 8];
}

/** Sixteen PWM channels. Those of an earlier process go on until they are opened. */
export function pca9685(device: I2cDevice, { name, frequencyHz, clock }: Pca9685Options): Pwm {
  const taken = new Set<number>();
  const divider = prescale(frequencyHz);
  const periodNs = 1e9 / frequencyHz;
  let ready: Promise<void> | undefined;

  /** The prescaler takes a value only while the oscillator stands (table 4, note 1); the outputs are low meanwhile. */
  async function prepare(): Promise<void> {
    const [mode = 0] = await device.exchange([MODE1], 1);
    const [found] = await device.exchange([PRE_SCALE], 1);
    if (found === divider && (mode & SLEEP) === 0 && (mode & AUTO_INCREMENT) !== 0) return;
    await device.exchange([MODE1, AUTO_INCREMENT | SLEEP], 0);
    await device.exchange([PRE_SCALE, divider], 0);
    await device.exchange([MODE1, AUTO_INCREMENT], 0);
    await clock.sleep(START_MS);
  }

  async function write(channel: number, wave: PwmWave, inverted: boolean): Promise<void> {
    assertWave(wave);
    if (Math.abs(wave.periodNs - periodNs) > 1)
      throw new PwmError("unsupported", `all channels of ${name} run at ${frequencyHz} Hz`);
    const registers = ledRegisters(wave, inverted);
    const first = LED0_ON_L + 4 * channel;
    await device.exchange([first, ...registers], 0);
    const found = await device.exchange([first], registers.length);
    const [mode = SLEEP] = await device.exchange([MODE1], 1);
    // A chip that lost its supply is asleep, with all channels off.
    if ((mode & SLEEP) === 0 && registers.every((byte, index) => found[index] === byte)) return;
    ready = undefined;
    throw new PwmError("io", `${name} channel ${channel}: the chip did not keep what it was told`);
  }

  return {
    async output({ channel, inverted = false, initial }) {
      if (!Number.isInteger(channel) || channel < 0 || channel >= CHANNEL_COUNT)
        throw new PwmError("no_channel", `${name} has channels 0 to ${CHANNEL_COUNT - 1}, no ${channel}`);
      if (taken.has(channel)) throw new PwmError("taken", `${name} channel ${channel} is in use already`);
      const apply = async (wave: PwmWave) => {
        ready ??= prepare();
        await ready.catch((error: unknown) => {
          ready = undefined;
          throw error;
        });
        await write(channel, wave, inverted);
      };
      await apply(initial);
      taken.add(channel);
      let told = initial;
      return {
        async set(wave) {
          await apply(wave);
          told = wave;
        },
        get: async () => told,
        async close() {
          taken.delete(channel);
        },
      };
    },
  };
}
