import {
  channelsOf,
  channelType,
  type KernelChip,
  KernelChipError,
  quantityOf,
  type Subsystem,
} from "../device/kernel-chips.ts";
import { SensorError } from "./driver.ts";

/** How often a chip that has no value yet is asked, and how long it is left alone in between. */
const ATTEMPTS = 3;
const RETRY_MS = 50;

export interface ChannelReader {
  readonly subsystem: Subsystem;
  readonly chip: KernelChip;
  sleep(durationMs: number): Promise<void>;
}

/**
 * A channel's value in the node's unit: what the driver has processed already (`_input`), else
 * `(raw + offset) * scale` (sysfs-bus-iio). Throws a {@link SensorError} where the kernel has no number to give; an
 * empty file is none, and never 0.
 */
export async function readChannel(reader: ChannelReader, channel: string): Promise<number> {
  const { subsystem, chip } = reader;
  const has = (name: string) => chip.attributes.includes(name);
  const factor = quantityOf(subsystem, channel)?.factor ?? 1;
  if (subsystem === "hwmon" && has(`${channel}_fault`) && (await number(reader, `${channel}_fault`)) === 1)
    throw new SensorError("disconnected", `${chip.id}: the driver reports a fault of ${channel}`);
  if (has(`${channel}_input`)) return factor * (await number(reader, `${channel}_input`));
  if (subsystem === "hwmon" || !has(`${channel}_raw`)) throw noChannel(reader, channel);
  const raw = await number(reader, `${channel}_raw`);
  const offset = sharedName(chip, channel, "offset");
  const scale = sharedName(chip, channel, "scale");
  const zero = offset === undefined ? 0 : await number(reader, offset);
  return factor * (raw + zero) * (scale === undefined ? 1 : await number(reader, scale));
}

/**
 * Scale and offset are a channel's own, or shared by all of its type (`in_accel_scale` is also that of `in_accel_x`), by
 * all inputs, or by all of the chip.
 */
function sharedName(
  { attributes }: KernelChip,
  channel: string,
  what: "scale" | "offset",
): string | undefined {
  const type = channelType("iio", channel);
  const kinds = [channel, `in_${type}`, `in_${type}-${type}`, "in"].map((prefix) => `${prefix}_${what}`);
  return [...kinds, what].find((name) => attributes.includes(name));
}

async function number(reader: ChannelReader, attribute: string): Promise<number> {
  const text = await patientRead(reader, attribute);
  if (text === "") throw new SensorError("disconnected", `${reader.chip.id} ${attribute}: the file is empty`);
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new SensorError(
    "out_of_range",
    `${reader.chip.id} ${attribute}: ${JSON.stringify(text.slice(0, 40))}`,
  );
}

async function patientRead({ chip, sleep }: ChannelReader, attribute: string): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await chip.read(attribute)).trim();
    } catch (error) {
      if (!(error instanceof KernelChipError && error.fault === "busy") || attempt === ATTEMPTS) throw error;
      await sleep(RETRY_MS);
    }
  }
}

function noChannel({ subsystem, chip }: ChannelReader, channel: string): SensorError {
  const there = channelsOf(subsystem, chip.attributes).join(", ") || "none";
  return new SensorError(
    "wrong_chip",
    `${chip.id} (${chip.names[0]}) has no channel ${channel}; it has ${there}`,
  );
}
