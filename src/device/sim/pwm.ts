import type { Clock } from "../clock.ts";
import { assertWave, type Pwm, PwmError, type PwmOutput, type PwmRequest, type PwmWave } from "../pwm.ts";

/** What a channel puts out, and since when. */
export interface SimPwmState extends PwmWave {
  readonly monotonicMs: number;
  readonly inverted: boolean;
}

interface Channel {
  owned: boolean;
  refusing: boolean;
  readonly history: SimPwmState[];
}

/** As a Raspberry Pi 1 to 4 has behind its header. */
const CHIP = "pwmchip0";
const CHANNEL_COUNT = 2;

/** States that a channel's history keeps: the latest. */
const MAX_HISTORY = 10_000;

/** A PWM chip of two channels, as strict as the kernel's. */
export class SimPwm implements Pwm {
  readonly #clock: Clock;
  readonly #channels: readonly Channel[] = Array.from({ length: CHANNEL_COUNT }, () => ({
    owned: false,
    refusing: false,
    history: [],
  }));

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  /** What a channel put out so far, oldest first; the last entry is what it puts out now. */
  history(channel: number): readonly SimPwmState[] {
    return this.#channel(channel).history;
  }

  /** Makes a channel refuse, or obey again. */
  refuse(channel: number, refusing: boolean): void {
    this.#channel(channel).refusing = refusing;
  }

  async output({ chip = "auto", channel, inverted = false, initial }: PwmRequest): Promise<PwmOutput> {
    if (chip !== "auto" && chip !== CHIP) {
      throw new PwmError("no_chip", `no PWM chip "${chip}": found ${CHIP} (simulated)`);
    }
    const line = this.#channel(channel);
    if (line.owned)
      throw new PwmError("taken", `${CHIP} channel ${channel} is already in use by this program`);
    const apply = async (wave: PwmWave) => {
      assertWave(wave);
      if (line.refusing) throw new PwmError("io", `${CHIP} channel ${channel}: refused`);
      line.history.push({ ...wave, inverted, monotonicMs: this.#clock.monotonicMs() });
      if (line.history.length > MAX_HISTORY) line.history.shift();
    };
    await apply(initial);
    line.owned = true;
    let told = initial;
    return {
      async set(wave) {
        await apply(wave);
        told = wave;
      },
      get: async () => told,
      async close() {
        line.owned = false;
      },
    };
  }

  #channel(channel: number): Channel {
    const found = this.#channels[channel];
    if (found) return found;
    throw new PwmError("no_channel", `${CHIP} has channels 0 to ${CHANNEL_COUNT - 1}, no ${channel}`);
  }
}
