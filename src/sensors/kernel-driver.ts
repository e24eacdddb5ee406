import * as v from "valibot";
import { formatAddress } from "../device/i2c.ts";
import { type KernelChip, KernelChipError, quantityOf, type Subsystem } from "../device/kernel-chips.ts";
import { settings } from "../schema/settings.ts";
import { channelEntries } from "./analogue-channel.ts";
import { type Field, type Fields, type KernelDriver, type KernelPlace, SensorError } from "./driver.ts";
import { readChannel } from "./kernel-channel.ts";
import { knownChannels, knownChips } from "./kernel-known.ts";

/** What the two drivers have in common: options, fields, and a chip found by name or place. */

const MAX_PRECISION = 9;

const field = settings({
  name: channelEntries.name,
  /** As the kernel calls it, without `_input` or `_raw`: `in_voltage0`, `temp1`. */
  channel: v.pipe(
    v.string(),
    v.regex(/^[a-z][A-Za-z0-9_-]*$/, "expected a channel such as in_voltage0 or temp1"),
  ),
  scale: channelEntries.scale,
  offset: channelEntries.offset,
  /** Default: that of the quantity. */
  unit: v.optional(v.string()),
  /** Decimal places. Default: those of the quantity. */
  precision: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_PRECISION))),
});

export const kernelOptions = {
  /** What the kernel's driver calls the chip: `bme280`. Needed unless `address` tells which one it is. */
  name: v.optional(v.pipe(v.string(), v.minLength(1))),
  /** Absent: those that are known of the chip. */
  fields: v.optional(v.pipe(v.array(field), v.minLength(1))),
};

type KernelOptions = v.InferOutput<v.StrictObjectSchema<typeof kernelOptions, undefined>>;

interface FieldOfChannel {
  readonly name: string;
  readonly channel: string;
  readonly scale: number;
  readonly offset: number;
  readonly field: Field;
}

/** The fields that a configuration asks for, or those that are known of the chip. */
function fieldsFor(subsystem: Subsystem, { name, fields }: KernelOptions): readonly FieldOfChannel[] {
  const asked =
    fields ??
    Object.entries(knownChannels(subsystem, name)).map(([name, channel]) => ({
      name,
      channel,
      scale: 1,
      offset: 0,
    }));
  return asked.map((each) => {
    const { name, channel, scale, offset } = each;
    const quantity = quantityOf(subsystem, channel);
    const { unit, precision } = { unit: undefined, precision: undefined, ...each };
    const isOwnUnit = unit !== undefined && unit !== quantity?.unit;
    return {
      name,
      channel,
      scale,
      offset,
      field: {
        unit: unit ?? quantity?.unit ?? "",
        precision: precision ?? quantity?.precision ?? 3,
        ...(quantity?.deviceClass !== undefined && !isOwnUnit && { deviceClass: quantity.deviceClass }),
      },
    };
  });
}

/** A driver of one of the kernel's subsystems. */
export function kernelDriver(
  subsystem: Subsystem,
  about: Pick<KernelDriver, "name" | "chip" | "description" | "datasheet">,
): KernelDriver<typeof kernelOptions> {
  return {
    ...about,
    bus: "kernel",
    subsystem,
    options: kernelOptions,
    knownNames: knownChips(subsystem),
    channels: (options) =>
      Object.fromEntries(fieldsFor(subsystem, options).map(({ name, channel }) => [channel, name])),
    fields: (options): Fields =>
      Object.fromEntries(fieldsFor(subsystem, options).map(({ name, field }) => [name, field])),
    async open({ chips, at }, options, clock) {
      const wanted = fieldsFor(subsystem, options);
      const find = async () => choose(subsystem, await chips.list(subsystem), options.name, at);
      const { id } = await find();
      return {
        async read() {
          // Found anew each time: a driver that lost its chip and has it again gives it another number.
          const chip = await find();
          const reader = { subsystem, chip, sleep: (durationMs: number) => clock.sleep(durationMs) };
          if (chip.id !== id)
            throw new KernelChipError("absent", `${id} has gone; the chip is ${chip.id} now`);
          const measured: Record<string, number> = {};
          for (const { name, channel, scale, offset } of wanted)
            measured[name] = (await readChannel(reader, channel)) * scale + offset;
          return measured;
        },
      };
    },
  };
}

/** The chip of this name at this place. Throws where there is none, or where more than one could be meant. */
export function choose(
  subsystem: Subsystem,
  chips: readonly KernelChip[],
  name: string | undefined,
  at: KernelPlace | undefined,
): KernelChip {
  const isAt = ({ i2c }: KernelChip) =>
    !at || (i2c?.devicePath === at.devicePath && i2c.address === at.address);
  // By its place a chip is found whatever the driver calls it.
  const found = chips.filter((chip) => isAt(chip) && (at || name === undefined || chip.names.includes(name)));
  const wanted = [name, at && `at ${at.devicePath} ${formatAddress(at.address)}`].filter(Boolean).join(" ");
  const [chip] = found;
  if (found.length === 1 && chip) return chip;
  if (chip)
    throw new SensorError(
      "wrong_chip",
      `several ${wanted} found (${found.map(inWords).join(", ")}): set ${chip.i2c ? "address" : "name to the one that is meant"}`,
    );
  const there = chips.map(inWords).join(", ") || "none";
  throw new KernelChipError(
    "absent",
    `no ${subsystem} device ${wanted}: found ${there}. Put the chip's dtoverlay into config.txt and reboot (docs/sensors.md)`,
  );
}

function inWords({ id, names, i2c }: KernelChip): string {
  const place = i2c ? ` at ${i2c.devicePath} ${formatAddress(i2c.address)}` : "";
  return `${id} ${names[0] ?? "?"}${place}`;
}
