import type { Clock } from "../clock.ts";
import {
  assertWave,
  type Pwm,
  PwmError,
  type PwmFault,
  type PwmOutput,
  type PwmRequest,
  type PwmWave,
} from "../pwm.ts";
import { choosePwmChip, PWM_CLASS, readPwmChips } from "./pwm-chips.ts";
import { errorCode, type TextFiles } from "./text-files.ts";

type Attribute = "period" | "duty_cycle" | "polarity" | "enable";

/** What each open channel has of its own. */
const ATTRIBUTES: readonly Attribute[] = ["period", "duty_cycle", "polarity", "enable"];

/** udev needs some time to give a fresh channel's files to the group gpio. */
const PERMISSION_PATIENCE_MS = 2_000;
const PERMISSION_POLL_MS = 10;

const DENIED = "not permitted: add the user to the group gpio";

const FAULTS: Readonly<Record<string, readonly [fault: PwmFault, message: string]>> = {
  EBUSY: ["taken", "a kernel driver uses the channel"],
  EACCES: ["denied", DENIED],
  EPERM: ["denied", DENIED],
  EROFS: ["denied", "/sys is read-only here: the service must not set ProtectKernelTunables"],
  EINVAL: ["unsupported", "the chip cannot do this"],
  ERANGE: ["unsupported", "the chip cannot do this"],
  EOPNOTSUPP: ["unsupported", "the chip cannot do this"],
};

/**
 * PWM through sysfs (Documentation/driver-api/pwm.rst). Sysfs does not tell users apart: a channel that is exported
 * already is taken over, since it is most likely what an earlier run of this program left.
 */
export function linuxPwm(files: TextFiles, clock: Clock): Pwm {
  /** Two users of ours on one channel are found out here. */
  const taken = new Set<string>();
  return {
    async output(request) {
      assertWave(request.initial);
      const { chip = "auto", channel } = request;
      const { name, channelCount } = choosePwmChip(await readPwmChips(files), chip);
      if (channel >= channelCount) {
        throw new PwmError("no_channel", `${name} has channels 0 to ${channelCount - 1}, no ${channel}`);
      }
      const place = `${name} channel ${channel}`;
      if (taken.has(place)) throw new PwmError("taken", `${place} is already in use by this program`);
      taken.add(place);
      try {
        const folder = `${PWM_CLASS}/${name}`;
        await exportChannel(files, clock, folder, channel);
        const output = await openOutput(channelFiles(files, place, `${folder}/pwm${channel}`), request);
        return { ...output, close: async () => void taken.delete(place) };
      } catch (cause) {
        taken.delete(place);
        throw toPwmError(place, cause);
      }
    },
  };
}

async function exportChannel(files: TextFiles, clock: Clock, folder: string, channel: number): Promise<void> {
  const isThere = async () => (await files.list(folder)).includes(`pwm${channel}`);
  if (!(await isThere())) await files.write(`${folder}/export`, `${channel}`);
  const endMs = clock.monotonicMs() + PERMISSION_PATIENCE_MS;
  const paths = ATTRIBUTES.map((attribute) => `${folder}/pwm${channel}/${attribute}`);
  for (;;) {
    const usable = await Promise.all(paths.map((path) => files.isUsable(path)));
    if (!usable.includes(false)) return;
    if (clock.monotonicMs() >= endMs) throw new PwmError("denied", DENIED);
    await clock.sleep(PERMISSION_POLL_MS);
  }
}

interface ChannelFiles {
  readonly place: string;
  read(attribute: Attribute): Promise<string>;
  write(attribute: Attribute, text: string | number): Promise<void>;
}

function channelFiles(files: TextFiles, place: string, folder: string): ChannelFiles {
  return {
    place,
    read: (attribute) => files.read(`${folder}/${attribute}`),
    write: (attribute, text) => files.write(`${folder}/${attribute}`, `${text}`),
  };
}

/** Takes over a running channel without stopping it, unless its polarity must change. */
async function openOutput(
  channel: ChannelFiles,
  { inverted = false, initial }: PwmRequest,
): Promise<Omit<PwmOutput, "close">> {
  const polarity = inverted ? "inversed" : "normal";
  const mustTurn = (await channel.read("polarity")) !== polarity;
  // The polarity of a running channel cannot change.
  if (mustTurn && (await channel.read("enable")) === "1") await channel.write("enable", 0);
  let told: PwmWave = {
    periodNs: Number(await channel.read("period")),
    pulseNs: Number(await channel.read("duty_cycle")),
  };
  await change(channel, told, initial);
  told = initial;
  // After the period: without one the kernel refuses every other change.
  if (mustTurn) await channel.write("polarity", polarity);
  if ((await channel.read("enable")) !== "1") await channel.write("enable", 1);
  return {
    async set(wave) {
      assertWave(wave);
      await change(channel, told, wave);
      told = wave;
    },
    get: async () => told,
  };
}

/** The pulse must fit into the period at every moment; a new period comes first, unless the old pulse is too long for it. */
async function change(channel: ChannelFiles, from: PwmWave, to: PwmWave): Promise<void> {
  try {
    if (to.periodNs < from.pulseNs) await channel.write("duty_cycle", Math.min(to.pulseNs, from.periodNs));
    if (to.periodNs !== from.periodNs) await channel.write("period", to.periodNs);
    await channel.write("duty_cycle", to.pulseNs);
  } catch (cause) {
    throw toWaveError(channel.place, to, cause);
  }
}

function toWaveError(place: string, { periodNs, pulseNs }: PwmWave, cause: unknown): PwmError {
  switch (errorCode(cause)) {
    case "EBUSY": {
      // What a PCA9685 means by it.
      const message =
        "another channel of this chip runs, and all of them have one period: give them the same";
      return new PwmError("unsupported", `${place}: ${message}`, { cause });
    }
    case "EINVAL":
    case "ERANGE": {
      const message = `the chip cannot make a period of ${periodNs} ns with a pulse of ${pulseNs} ns`;
      return new PwmError("unsupported", `${place}: ${message}`, { cause });
    }
    default:
      return toPwmError(place, cause);
  }
}

/** Turns what Node threw into a {@link PwmError} that keeps it as cause. */
function toPwmError(place: string, cause: unknown): PwmError {
  if (cause instanceof PwmError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  const [fault, message] = FAULTS[errorCode(cause)] ?? (["io", text] as const);
  return new PwmError(fault, `${place}: ${message}`, { cause });
}
