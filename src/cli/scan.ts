import { parseArgs } from "node:util";
import type { Board } from "../device/board.ts";
import { EXPANDERS } from "../device/expanders/settings.ts";
import { formatAddress } from "../device/i2c.ts";
import { scanBus } from "../device/i2c-scan.ts";
import { channelsOf, type Subsystem } from "../device/kernel-chips.ts";
import { linuxBoard } from "../device/linux/board.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { boardChooser } from "../node/board.ts";
import { loadSensorDrivers } from "../sensors/registry.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { EXIT } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { table } from "./table.ts";

/** `fieldpost scan [--json] [--simulate --config FILE]`: what hangs on the board. Reads only. */
export async function scan(args: string[], io: CliIo): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      simulate: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
    strict: true,
  });
  const clock = linuxClock();
  let board: Board;
  if (values.simulate) {
    const config = await loadOrExplain(values.config, io);
    if (!config) return EXIT.config;
    board = (await boardChooser(true))(config, clock).board;
  } else {
    board = linuxBoard({ clock });
  }
  try {
    const found = await scanBoard(board);
    io.stdout(values.json ? `${JSON.stringify(found, null, 2)}\n` : asText(found));
    return EXIT.done;
  } finally {
    await board.close();
  }
}

type Found = Awaited<ReturnType<typeof scanBoard>>;

/** Everything that can be found without a configuration. One bus after the other: each of them may be slow. */
export async function scanBoard(board: Board) {
  const { i2c, gpio } = await board.inventory();
  const candidates = await chipsByAddress();
  const buses = [];
  for (const { devicePath, name } of i2c) {
    const { found, error } = await scanBus(board.i2c(devicePath));
    const chips = found.map(({ address, owned }) => ({
      address: formatAddress(address),
      kernel_driver: owned,
      could_be: candidates.get(address) ?? [],
    }));
    buses.push({ device: devicePath, name, chips, error });
  }
  const oneWire = await board.oneWire.ids().then(
    (ids) => ({ ids, error: undefined }),
    (error: Error) => ({ ids: [], error: error.message }),
  );
  const [iio, hwmon] = await Promise.all((["iio", "hwmon"] as const).map((each) => kernelChips(board, each)));
  return { board: board.host.model, i2c: buses, one_wire: oneWire, gpio, iio: iio!, hwmon: hwmon! };
}

async function kernelChips(board: Board, subsystem: Subsystem) {
  return (await board.chips.list(subsystem)).map(({ id, names, i2c, attributes }) => ({
    id,
    names,
    at: i2c && `${i2c.devicePath} ${formatAddress(i2c.address)}`,
    channels: channelsOf(subsystem, attributes),
  }));
}

/** What is known to be able to sit at each address: the drivers', and the expanders'. */
async function chipsByAddress(): Promise<ReadonlyMap<number, readonly string[]>> {
  const chips = new Map<number, string[]>();
  const add = (name: string, addresses: readonly number[]) => {
    for (const address of addresses) chips.set(address, [...(chips.get(address) ?? []), name]);
  };
  for (const driver of (await loadSensorDrivers()).values())
    if (driver.bus === "i2c") add(driver.name, driver.addresses);
  for (const [name, { addresses }] of Object.entries(EXPANDERS)) add(name, addresses);
  return chips;
}

function asText({ board, i2c, one_wire, gpio, iio, hwmon }: Found): string {
  const sections = [
    section(
      "I2C",
      i2c.flatMap(({ device, name, chips, error }) => [
        [device, name, ...(chips.length === 0 && error === undefined ? ["nothing answers"] : [])],
        ...chips.map(({ address, kernel_driver, could_be }) => [
          `  ${address}`,
          kernel_driver
            ? "a kernel driver has it (driver: iio or hwmon)"
            : could_be.join(", ") || "unknown chip",
        ]),
        ...(error === undefined ? [] : [["  stopped", error]]),
      ]),
      "no bus: put dtparam=i2c_arm=on into config.txt and reboot",
    ),
    section(
      "1-Wire",
      one_wire.ids.map((id) => [id]),
      one_wire.error ?? "no thermometer found",
    ),
    section(
      "GPIO",
      gpio.flatMap(({ name, label, lineCount, used, error }) => [
        [name, label, error ?? `${lineCount} lines, ${used.length} in use`],
        ...used.map((line) => [`  ${line.name || line.offset}`, line.consumer || "in use"]),
      ]),
      "no chip",
    ),
    ...(
      [
        ["IIO", iio],
        ["hwmon", hwmon],
      ] as const
    ).map(([title, chips]) =>
      section(
        title,
        chips.map(({ id, names, at, channels }) => [id, names.join(" "), at ?? "", channels.join(", ")]),
        "none",
      ),
    ),
  ];
  return [`${board}\n`, ...sections].join("\n");
}

function section(title: string, rows: readonly (readonly string[])[], none: string): string {
  return `${title}\n${rows.length === 0 ? `  ${none}\n` : table(rows.map(([first = "", ...rest]) => [`  ${first}`, ...rest]))}`;
}
