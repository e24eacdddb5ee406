import * as v from "valibot";
import { duration } from "../schema/duration.ts";
import { filterSteps } from "./filters.ts";
import { reportSettings } from "./report.ts";

/** Faster than this, a Raspberry-Pi-class board and its flash serve nobody; count or watch edges instead. */
const MIN_INTERVAL_MS = 50;

/** 7-bit addresses that the I2C specification (UM10204, 3.1.12) does not reserve. */
const MIN_ADDRESS = 0x08;
const MAX_ADDRESS = 0x77;

/** The keys that every sensor has in a configuration; its driver's own stand beside them. */
export const commonSensorEntries = {
  id: v.pipe(
    v.string("expected a name"),
    v.regex(
      /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
      "expected up to 64 letters, digits, _ or -, beginning with a letter or digit",
    ),
  ),
  /** A built-in driver's name, or a path to one's own (`./my-chip.js`). */
  driver: v.pipe(v.string("expected a driver's name"), v.minLength(1, "expected a driver's name")),
  /** A name in `buses`, or a device path. Absent: the board's user bus. */
  bus: v.optional(v.pipe(v.string("expected a bus"), v.minLength(1, "expected a bus"))),
  /** Absent: the chip's own. */
  address: v.optional(
    v.pipe(
      v.number("expected an address such as 0x76"),
      v.integer("expected an address such as 0x76"),
      v.minValue(MIN_ADDRESS, "must be at least 0x08"),
      v.maxValue(MAX_ADDRESS, "must be at most 0x77"),
    ),
  ),
  /** Absent: `telemetry.interval`. */
  interval: v.optional(duration({ minMs: MIN_INTERVAL_MS })),
  /** Each sample but the first is late by up to this much; never by more than the interval. */
  jitter: v.optional(duration(), "0s"),
  filters: v.optional(filterSteps, []),
  /** Absent: every sample is sent. */
  report: v.optional(reportSettings),
} as const;

const devicePath = v.pipe(
  v.string("expected a device path"),
  v.regex(/^\/dev\/[^\0]+$/, "expected a device path such as /dev/spidev0.0 or /dev/ttyUSB0"),
);

/** The keys that sensors have beside the common ones, by what they hang on. */
const wireEntries = {
  spi: {
    device: v.optional(devicePath, "/dev/spidev0.0"),
    /** Absent: the chip's own. */
    mode: v.optional(v.picklist([0, 1, 2, 3])),
    /** Absent: the driver's default. */
    speed_hz: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  },
  serial: {
    device: v.optional(devicePath, "/dev/serial0"),
  },
} as const;

export type SpiWireSettings = v.InferOutput<v.StrictObjectSchema<typeof wireEntries.spi, undefined>>;
export type SerialWireSettings = v.InferOutput<v.StrictObjectSchema<typeof wireEntries.serial, undefined>>;

/** Every key that a sensor on this bus has, but for its driver's own. */
export function sensorEntries(bus: string): v.ObjectEntries {
  return { ...commonSensorEntries, ...(bus === "spi" || bus === "serial" ? wireEntries[bus] : {}) };
}

export type CommonSensorSettings = v.InferOutput<v.StrictObjectSchema<typeof commonSensorEntries, undefined>>;

/** A field that a sensor's settings name, and where, so that one which the driver does not have can be refused. */
export interface NamedField {
  readonly field: string;
  /** Keys and indices below the sensor's own settings. */
  readonly path: readonly (string | number)[];
}

export function namedFields({
  filters,
  report,
}: Pick<CommonSensorSettings, "filters" | "report">): readonly NamedField[] {
  return [
    ...filters.flatMap(({ field }, index) =>
      field === undefined ? [] : [{ field, path: ["filters", index, field] }],
    ),
    ...Object.keys(report?.delta ?? {}).map((field) => ({ field, path: ["report", "delta", field] })),
  ];
}
