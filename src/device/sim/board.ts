import type { Board } from "../board.ts";
import type { Clock } from "../clock.ts";
import { type I2cBus, oneAtATime } from "../i2c.ts";
import type { Random } from "../random.ts";
import { withinDeadline } from "../spi.ts";
import { SimGpio } from "./gpio.ts";
import { SimHost } from "./host.ts";
import { SimI2cBus } from "./i2c.ts";
import { SimKernelChips } from "./kernel-chips.ts";
import { type SimLamp, simLamp } from "./lamp.ts";
import { SimOneWire } from "./one-wire.ts";
import { SimPwm } from "./pwm.ts";
import { SimSerial } from "./serial.ts";
import { SimSpi } from "./spi.ts";
import type { World } from "./world.ts";

export interface SimBoardOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly world: World;
  /** Clock rate of the I2C buses. Default: 100,000. */
  readonly i2cHz?: number;
}

/** A board that exists only in a seeded world, with the handles to wire it and to break it. */
export interface SimBoard extends Board {
  readonly clock: Clock;
  readonly world: World;
  readonly gpio: SimGpio;
  readonly oneWire: SimOneWire;
  readonly pwm: SimPwm;
  readonly chips: SimKernelChips;
  readonly host: SimHost;
  readonly lamp: SimLamp;
  /** What is under {@link Board.spi} and {@link Board.serial}. */
  readonly simSpi: SimSpi;
  readonly simSerial: SimSerial;
  /** The bare bus under {@link Board.i2c}, to attach chips and faults to. Same object for the same path. */
  simBus(devicePath: string): SimI2cBus;
}

/** Longer than the adapter's own time-out, so that the adapter's word comes first. */
const TRANSFER_DEADLINE_MS = 2_000;

export function createSimBoard({ clock, random, world, i2cHz }: SimBoardOptions): SimBoard {
  const buses = new Map<string, { readonly bare: SimI2cBus; readonly orderly: I2cBus }>();
  const busAt = (devicePath: string) => {
    const known = buses.get(devicePath);
    if (known) return known;
    const bare = new SimI2cBus({ name: devicePath, clock, random, ...(i2cHz && { hz: i2cHz }) });
    const bus = { bare, orderly: oneAtATime(bare, clock, TRANSFER_DEADLINE_MS) };
    buses.set(devicePath, bus);
    return bus;
  };
  const gpio = new SimGpio({ clock, random });
  const simSpi = new SimSpi({ clock });
  const simSerial = new SimSerial({ clock, random });
  return {
    clock,
    world,
    gpio,
    oneWire: new SimOneWire({ clock, world }),
    pwm: new SimPwm({ clock }),
    chips: new SimKernelChips({ world }),
    host: new SimHost({ world, clock }),
    lamp: simLamp(),
    defaultI2c: "/dev/i2c-1",
    i2c: (devicePath) => busAt(devicePath).orderly,
    spi: async (settings) => withinDeadline(simSpi.device(settings), clock, TRANSFER_DEADLINE_MS),
    serial: async (settings) => simSerial.port(settings),
    simSpi,
    simSerial,
    simBus: (devicePath) => busAt(devicePath).bare,
    inventory: async () => ({
      i2c: [...buses.keys()].map((devicePath) => ({ devicePath, name: "simulated" })),
      gpio: [gpio.inventory()],
    }),
    async close() {
      for (const { bare } of buses.values()) await bare.close();
    },
  };
}
