import type { Change } from "../../actuators/guard.ts";
import type { Moment } from "../../record/recorder.ts";
import type { Measurements } from "../../sensors/driver.ts";
import type { Fault } from "../../sensors/fault.ts";
import type { Will } from "../link/connect.ts";
import type { Incoming, OpenLink, Outgoing } from "../link/link.ts";
import type { LinkStep } from "../session/session.ts";
import type { SpellRecord } from "./spelling.ts";

/**
 * What a node's topics and payloads look like (`mqtt.convention`): all that the broker sees of a node and hears for it, but
 * for the messages of the user's own code. One is made for each node, and lives as long. What is not here is the same in
 * every convention: the outbox and its numbers, delivery on acknowledgement, the guards of the actuators, the judgement
 * over commands.
 *
 * The order on each new link: {@link will} (with CONNECT), {@link filters}, {@link steps}, then health and the records of
 * the outbox ({@link spell}), for as long as the link lasts. The node tells of its own ({@link reading}, {@link fault},
 * {@link actuator}, {@link health}) at any time, without a link and before the steps are through as well.
 */
export interface Convention {
  /**
   * What the broker publishes when the link breaks. Asked for with each CONNECT, which is more often than there are links
   * (an attempt that fails, another version of MQTT): the link that opens has the will of the last call.
   */
  will(): Will;
  /** Subscribed before anything is said, one after the other: when they stand, the node counts as online to its guards. */
  readonly filters: readonly string[];
  /**
   * What is said first on a new link. Each step is waited for, so one that does not end keeps health and records back; that
   * is how to wait for a host. One that fails is logged, and the next comes: whoever must not go on ends the link.
   */
  readonly steps: readonly LinkStep[];
  /** Clothes each new link: what is sent over it goes through here, at the moment at which it is sent. Default: as it is. */
  dress?(link: OpenLink): OpenLink;
  /** The last words before DISCONNECT, where the node stops or goes to another broker. Given up after half a second. */
  farewell(link: OpenLink): Promise<void>;
  /**
   * The messages of a record, with their own quality of service. QoS 0 counts as acknowledged when it is written: such a
   * record may be lost with the link. The topics of the samples are the contract's below the topic root (`telemetry/air`,
   * `event/boot`).
   */
  readonly spell: SpellRecord;
  /**
   * Takes a message that one of the {@link filters} may have brought, or the user's own subscriptions; returns the commands
   * that it means, as messages of the contract (section 5: on `command/<actuator>` or `command/node` below the topic root),
   * with the message's own `retain`. They are judged, guarded and journalled like any other, and the message is
   * acknowledged to the broker when all are dealt with. Never throws.
   */
  hear(message: Incoming, link: OpenLink): readonly Incoming[];
  /** The messages of a command's result, of which the contract's is given (`result/<actuator>`, or a response topic). */
  results(result: Outgoing): readonly Outgoing[];
  /** A reading is about to become a record. */
  reading(sensor: string, measurements: Measurements, at: Moment): void;
  /** A sensor cannot be read, or (undefined) can again. */
  fault(sensor: string, fault: Fault | undefined): void;
  /** What an output is: once when the node starts, and with each change. A record `event/actuator` tells the same. */
  actuator(change: Change): void;
  /** The messages of the node's report on itself (contract, section 3: `health`), sent over the link there is. */
  health(report: Readonly<Record<string, unknown>>): readonly Outgoing[];
  /** Says again what the node is: somebody commanded `about`. */
  announce(): Promise<void>;
}
