import * as v from "valibot";

/** The keys that say which PWM channel an actuator is on. */
export const channelEntries = {
  channel: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)),
  /** The kernel's PWM chip. Default: the one behind the header. */
  chip: v.optional(v.string()),
  /** A PCA9685 of the configuration, in place of the kernel's chip. */
  expander: v.optional(v.string()),
};

interface Channel {
  readonly channel: number;
  readonly chip?: string | undefined;
  readonly expander?: string | undefined;
}

/** As the configuration's check of pins knows it. */
export function channelPin({ channel, chip = "auto", expander }: Channel): string {
  return expander === undefined ? `PWM ${chip} channel ${channel}` : `${expander}:${channel}`;
}

export function chipOf({ chip, expander }: Channel): { readonly chip?: string } {
  const name = expander ?? chip;
  return name === undefined ? {} : { chip: name };
}
