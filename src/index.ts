/**
 * Fieldpost as a library (contract, section 7): write a driver, run a node, or run one inside a test on a simulated
 * board, a virtual clock and a broker that can be told to fail.
 */
export type { Clock } from "./device/clock.ts";
export type { Edge, Gpio, InputLine, OutputLine, Pin } from "./device/gpio.ts";
export type { Host } from "./device/host.ts";
export { type I2cDevice, I2cError, type I2cFault } from "./device/i2c.ts";
export type { OneWire } from "./device/one-wire.ts";
export { type Pwm, PwmError, type PwmOutput, type PwmWave } from "./device/pwm.ts";
export { SerialError, type SerialFault, type SerialPort } from "./device/serial.ts";
export type { SimBoard } from "./device/sim/board.ts";
export type { SimChip } from "./device/sim/chip.ts";
export type { World } from "./device/sim/world.ts";
export { type SpiDevice, SpiError, type SpiFault, type SpiMode } from "./device/spi.ts";
export { type StartedNode, type StartOptions, startNode } from "./node/start.ts";
export {
  defineDriver,
  type Field,
  type Fields,
  type Measurements,
  type Sensor,
  type SensorDriver,
  SensorError,
  type SensorFault,
} from "./sensors/driver.ts";
export type { Incoming, MessageHandler, Messages, PublishOptions } from "./sensors/messages.ts";
export type { SimBroker, SimMessage } from "./simulate/broker.ts";
export {
  type Ending,
  type SimulatedMessage,
  type SimulateOptions,
  type Simulation,
  simulate,
} from "./simulate/simulate.ts";
