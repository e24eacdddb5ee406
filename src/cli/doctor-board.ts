import { withDeadline } from "../device/clock.ts";
import { type Pin, pinInWords } from "../device/gpio.ts";
import { bcmOfHeader } from "../device/header.ts";
import type { Inventory } from "../device/inventory.ts";
import { LocalRefusedError } from "../local/client.ts";
import { openSensor } from "../node/sensors.ts";
import type { Check, Diagnosis, Patient } from "./doctor.ts";
import { askNodeOn } from "./local.ts";

/** Longer than any chip's measurement. */
const READ_LIMIT_MS = 10_000;

/**
 * Who has a line that this program has. Through sysfs the kernel names the backend, `sysfs`, and goes on doing so when
 * the node has ended, so that its outputs keep their level.
 */
const OURS = "fieldpost";

const SEE_SCAN = "fieldpost scan shows what answers";

/**
 * What mends a fault, by its name and the wire. Not here is what the failure's own text says: how to get a bus that the
 * kernel has not, a permission, or a line from its owner.
 */
const FIXES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  absent: {
    i2c: SEE_SCAN,
    one_wire: `check wiring and the 4.7 kΩ pull-up; ${SEE_SCAN}`,
    kernel: "fieldpost scan shows the chips that the kernel has",
  },
  timeout: {
    i2c: "a chip holds a line: take the chips off one by one; a slower bus may help (dtparam=i2c_arm_baudrate=50000)",
    serial: "check power, and that the chip's TX goes to the port's RX",
  },
  stuck: { i2c: "a chip holds SDA or SCL low: switch its power off and on" },
  wrong_chip: {
    i2c: "another chip is at this place: fieldpost drivers lists those that are supported",
    spi: "another chip is at this place: fieldpost drivers lists those that are supported",
  },
  disconnected: { one_wire: "check wiring and power", kernel: "check wiring and power" },
  crc: {
    i2c: "shorten the wires, check the ground",
    one_wire: "shorten the wires, check the ground",
    serial: "shorten the wires, check the ground",
  },
};

/** Wires that one process has to itself. */
const EXCLUSIVE: readonly string[] = ["gpio", "serial"];

/** One that may not be talked to runs, too; one that refuses is another. */
function nodeRuns(outboxPath: string): Promise<boolean> {
  return askNodeOn(outboxPath, { do: "status" }).then(
    (answer) => answer !== undefined,
    (error: Error) => !(error.cause instanceof LocalRefusedError),
  );
}

/** Whether every sensor of the configuration answers, and whether somebody else has a line that it needs. */
export const checkBoard: Check = async (patient) => {
  const inventory = await patient.board.inventory();
  const lines = checkLines(patient, inventory);
  // A node that runs has the lines and the ports; its sensors are asked by `fieldpost read`.
  const running =
    inventory.gpio.some(({ used }) => used.some(({ consumer }) => consumer === OURS)) ||
    (!patient.simulated && (await nodeRuns(patient.config.buffer.path)));
  const sensors: Diagnosis[] = [];
  for (const sensor of patient.config.sensors) {
    if (running && EXCLUSIVE.includes(sensor.driver.bus)) continue;
    sensors.push(await checkSensor(patient, sensor));
  }
  return [...lines, ...sensors];
};

function checkLines({ config }: Patient, { gpio }: Inventory): readonly Diagnosis[] {
  const unreadable = gpio.flatMap(({ name, error }) =>
    error === undefined ? [] : [{ what: name, verdict: "warning" as const, found: error }],
  );
  const users = [
    ...config.sensors.map(({ id, driver, options }) => ({
      what: `sensor ${id}`,
      pins: driver.bus === "gpio" ? driver.pins(options) : [],
    })),
    ...config.actuators.map(({ id, kind, options }) => ({
      what: `actuator ${id}`,
      pins: kind.pins(options),
    })),
  ];
  const taken = users.flatMap(({ what, pins }) =>
    pins.flatMap((pin): Diagnosis[] => {
      const owner = ownerOf(pin, config.gpio.chip, gpio);
      if (owner === undefined || owner === OURS || owner === config.gpio.backend) return [];
      const found = `${pinInWords(pin)} is taken by "${owner || "a driver that does not say its name"}"`;
      const fix = "choose another pin, or take the overlay or program away that uses it";
      return [{ what, verdict: "failed", found, fix }];
    }),
  );
  return [...unreadable, ...taken];
}

/** Who has the line; undefined: nobody, or it is no line of the board's own. */
function ownerOf(pin: Pin, wanted: string, chips: Inventory["gpio"]): string | undefined {
  const id = typeof pin === "object" ? bcmOfHeader(pin.header) : pin;
  const named = chips.flatMap(({ used }) => used).find(({ name }) => name !== "" && name === id);
  if (named) return named.consumer;
  const number = Number(/^(?:GPIO)?(\d+)$/.exec(String(id))?.[1]);
  const header = chips.find(({ name, label }) =>
    wanted === "auto" ? /^pinctrl-(bcm|rp1)/.test(label) : name === wanted || label === wanted,
  );
  const chip = header ?? (chips.length === 1 ? chips[0] : undefined);
  return chip?.used.find(({ offset }) => offset === number)?.consumer;
}

async function checkSensor({ board, clock }: Patient, sensor: Patient["config"]["sensors"][number]) {
  const what = `sensor ${sensor.id}`;
  try {
    const reading = await withDeadline(clock, what, READ_LIMIT_MS, readOnce());
    return { what, verdict: "ok", found: `answers: ${Object.keys(reading).join(", ")}` } as const;
  } catch (error) {
    const { fault = "" } = error as { fault?: string };
    const fix = FIXES[fault]?.[sensor.driver.bus];
    const found = error instanceof Error ? error.message : String(error);
    return { what, verdict: "failed", found, ...(fix !== undefined && { fix }) } as const;
  }

  async function readOnce() {
    const opened = await openSensor(board, sensor, clock);
    try {
      return await opened.read();
    } finally {
      await opened.close?.();
    }
  }
}
