import type { SensorConfig } from "./config.ts";
import { type Finding, wrongValue } from "./finding.ts";
import { MAIN_BUS } from "./sections.ts";
import { type Item, lineName, pinKey } from "./wiring.ts";

/** A bus that takes lines of the 40-pin header. */
interface HeaderBus {
  readonly name: string;
  /** BCM number and what the bus has there (Raspberry Pi documentation, "GPIO and the 40-pin header"). */
  readonly lines: Readonly<Record<number, string>>;
  uses(sensor: SensorConfig): boolean;
}

const SPI_LINES = { 9: "MISO", 10: "MOSI", 11: "the clock" };
const UARTS = ["/dev/serial0", "/dev/ttyAMA0", "/dev/ttyS0"];

const BUSES: readonly HeaderBus[] = [
  {
    name: "I2C",
    lines: { 2: "SDA", 3: "SCL" },
    uses: ({ driver, bus, i2cPath }) => driver.bus === "i2c" && bus === MAIN_BUS && i2cPath === undefined,
  },
  {
    name: "/dev/spidev0.0",
    lines: { 8: "the chip select", ...SPI_LINES },
    uses: ({ devicePath }) => devicePath === "/dev/spidev0.0",
  },
  {
    name: "/dev/spidev0.1",
    lines: { 7: "the chip select", ...SPI_LINES },
    uses: ({ devicePath }) => devicePath === "/dev/spidev0.1",
  },
  {
    name: "the serial port",
    lines: { 14: "TX", 15: "RX" },
    uses: ({ devicePath = "" }) => UARTS.includes(devicePath),
  },
];

/**
 * Lines that an item takes and that belong to a bus which a sensor uses: on a Raspberry Pi one of the two will not
 * work. A warning, because other boards number their lines differently, and an overlay may move a bus.
 */
export function headerBusWarnings(
  sensors: readonly Item<SensorConfig>[],
  others: readonly Item<unknown>[],
): Finding[] {
  const taken = new Map<string, string>();
  for (const { resolved } of sensors) {
    const bus = BUSES.find(({ uses }) => resolved.config !== undefined && uses(resolved.config));
    for (const [line, role] of Object.entries(bus?.lines ?? {})) {
      taken.set(`GPIO${line}`, `${role} of ${bus?.name}, which sensor "${resolved.config?.id}" uses`);
    }
  }
  return [...sensors, ...others].flatMap((item) =>
    item.resolved.pins.flatMap((pin) => {
      const line = lineName(pin);
      const role = line === undefined ? undefined : taken.get(line);
      if (role === undefined) return [];
      return [wrongValue([...item.path, pinKey(item.raw, pin)], `on a Raspberry Pi ${line} is ${role}`)];
    }),
  );
}
