import type { Config, SensorConfig } from "../config/config.ts";
import type { Board } from "../device/board.ts";
import type { Clock } from "../device/clock.ts";
import { deviceAt } from "../device/i2c.ts";
import type { Random } from "../device/random.ts";
import type { Log } from "../log.ts";
import type { MessageHub } from "../mqtt/messages/hub.ts";
import { type Lease, leaseMessages } from "../mqtt/messages/lease.ts";
import { fieldsOf, type Sensor } from "../sensors/driver.ts";
import { type Messages, withoutNode } from "../sensors/messages.ts";
import { createSampler, type Sampler, type SamplerEvents } from "../sensors/sampler.ts";

/** Opens one sensor on a board: gives its driver the one bus it needs and nothing else. */
export async function openSensor(
  board: Board,
  sensor: SensorConfig,
  clock: Clock,
  messages: Messages = withoutNode,
): Promise<Sensor> {
  const { driver, options } = sensor;
  switch (driver.bus) {
    case "i2c": {
      const bus = board.i2c(sensor.i2cPath ?? board.defaultI2c);
      return driver.open(deviceAt(bus, sensor.address ?? driver.addresses[0]!), options, clock, messages);
    }
    case "spi": {
      const { devicePath = "", mode = 0, speedHz = driver.speedHz.default } = sensor;
      return driver.open(await board.spi({ devicePath, mode, speedHz }), options, clock, messages);
    }
    case "serial": {
      const { devicePath = "" } = sensor;
      return driver.open(
        await board.serial({ devicePath, baudRate: driver.baudRate }),
        options,
        clock,
        messages,
      );
    }
    case "one_wire":
      return driver.open(board.oneWire, options, clock, messages);
    case "gpio":
      return driver.open(board.gpio, options, clock, messages);
    case "kernel": {
      const { address, i2cPath: devicePath = board.defaultI2c } = sensor;
      const at = address === undefined ? undefined : { devicePath, address };
      return driver.open({ chips: board.chips, at }, options, clock);
    }
    case "host":
      return driver.open(board.host, options, clock, messages);
  }
}

export interface SamplerParts {
  readonly board: Board;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: SamplerEvents;
  /** Absent: there is no node whose messages a driver could use. */
  readonly messages?: MessageHub | undefined;
}

/** One sampler for each configured sensor, by sensor id. */
export function createSamplers(config: Config, parts: SamplerParts): ReadonlyMap<string, Sampler> {
  const { board, messages, ...rest } = parts;
  return new Map(
    config.sensors.map((sensor) => {
      let lease: Lease | undefined;
      const sampler = createSampler({
        ...rest,
        id: sensor.id,
        open() {
          lease = messages && leaseMessages(messages, sensor.id, parts.log);
          return openSensor(board, sensor, parts.clock, lease?.messages);
        },
        onClose: () => lease?.end(),
        fields: fieldsOf(sensor.driver, sensor.options),
        intervalMs: sensor.interval,
        jitterMs: sensor.jitter,
        filters: sensor.filters,
        report: sensor.report,
      });
      return [sensor.id, sampler];
    }),
  );
}
