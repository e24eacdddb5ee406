import type { Config } from "../config/config.ts";
import { type Pin, pinInWords } from "../device/gpio.ts";
import { bcmOfHeader } from "../device/header.ts";
import type { Inventory } from "../device/inventory.ts";
import { type Check, type Diagnosis, failed, ok, skipped } from "./check.ts";

/**
 * Who has a line that this program has. Through sysfs the kernel names the backend, `sysfs`, and goes on doing so when
 * the node has ended, so that its outputs keep their level.
 */
export const OURS = "fieldpost";

/** What takes lines of the board, and which. */
function usersOf({ sensors, actuators, buses, expanders }: Config) {
  return [
    ...sensors.map(({ id, driver, options }) => ({
      what: `sensor ${id}`,
      pins: driver.bus === "gpio" ? driver.pins(options) : [],
    })),
    ...actuators.map(({ id, kind, options }) => ({ what: `actuator ${id}`, pins: kind.pins(options) })),
    ...Object.entries(buses.i2c).map(([name, { recovery, power }]) => ({
      what: `bus ${name}`,
      pins: [...(recovery ? [recovery.scl, recovery.sda] : []), ...(power ? [power.pin] : [])],
    })),
    ...Object.entries(expanders).map(([name, { interrupt }]) => ({
      what: `expander ${name}`,
      pins: interrupt === undefined ? [] : [interrupt],
    })),
  ];
}

/** Whether and why somebody else has a line; undefined: the node can take it, or has it. */
export function takenBy(
  pin: Pin,
  { gpio: { chip, backend } }: Config,
  chips: Inventory["gpio"],
): string | undefined {
  const owner = ownerOf(pin, chip, chips);
  if (owner === undefined || owner === OURS || owner === backend) return undefined;
  return owner || "a driver that does not say its name";
}

export const lines: Check = {
  id: "lines",
  area: "board",
  title: "GPIO lines",
  looksAt:
    "the lines of sensors, actuators, buses and expanders exist, and no other program or overlay has one",
  async run({ board, config }) {
    const { gpio } = await board.inventory();
    const users = usersOf(config);
    const wrong = users.flatMap(({ what, pins }) =>
      pins.flatMap((pin): readonly Diagnosis[] => {
        const missing = whatIsMissing(pin, config.gpio.chip, gpio);
        if (missing !== undefined) return [failed(what, missing, "fieldpost scan lists chips and lines")];
        const owner = takenBy(pin, config, gpio);
        if (owner === undefined) return [];
        const found = `${pinInWords(pin)} is taken by "${owner}"`;
        return [failed(what, found, "choose another pin, or take the overlay or program away that uses it")];
      }),
    );
    const count = users.reduce((sum, { pins }) => sum + pins.filter(isOnBoard).length, 0);
    if (wrong.length > 0 || count === 0) return wrong;
    if (gpio.every(({ error }) => error !== undefined))
      return [skipped("GPIO lines", "no GPIO chip can be looked at")];
    return [ok("GPIO lines", `${count} wanted, none is taken by others`)];
  },
};

/** Not a channel of PWM, not a pin of an expander. */
function isOnBoard(pin: Pin): boolean {
  return typeof pin !== "string" || !/^PWM |:/.test(pin);
}

function chipOf(wanted: string, chips: Inventory["gpio"]) {
  const header = chips.find(({ name, label }) =>
    wanted === "auto" ? /^pinctrl-(bcm|rp1)/.test(label) : name === wanted || label === wanted,
  );
  return header ?? (chips.length === 1 ? chips[0] : undefined);
}

/** A line by its number; a name that is not `GPIO17` is the board's own. */
function numberOf(pin: Pin): number {
  const id = typeof pin === "object" ? bcmOfHeader(pin.header) : pin;
  return Number(/^(?:GPIO)?(\d+)$/.exec(String(id))?.[1]);
}

function whatIsMissing(pin: Pin, wanted: string, chips: Inventory["gpio"]): string | undefined {
  const chip = chipOf(wanted, chips);
  const number = numberOf(pin);
  if (!chip || chip.error !== undefined || Number.isNaN(number) || number < chip.lineCount) return undefined;
  return `${pinInWords(pin)}: ${chip.name} has lines 0 to ${chip.lineCount - 1}`;
}

/** Who has the line; undefined: nobody, or it is no line of the board's own. */
function ownerOf(pin: Pin, wanted: string, chips: Inventory["gpio"]): string | undefined {
  const id = typeof pin === "object" ? bcmOfHeader(pin.header) : pin;
  const named = chips.flatMap(({ used }) => used).find(({ name }) => name !== "" && name === id);
  if (named) return named.consumer;
  const number = numberOf(pin);
  return chipOf(wanted, chips)?.used.find(({ offset }) => offset === number)?.consumer;
}
