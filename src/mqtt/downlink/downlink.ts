import type { Guard, Outcome } from "../../actuators/guard.ts";
import { impossible, type RunningSequence, runSequence, type Step } from "../../actuators/sequence.ts";
import type { Clock } from "../../device/clock.ts";
import { type Log, messageOf } from "../../log.ts";
import { NODE_TARGET, type Topics } from "../convention/topics.ts";
import type { Incoming, Outgoing } from "../link/link.ts";
import {
  type ActuatorCommand,
  type NodeAction,
  type NodeCommand,
  parseActuatorCommand,
  parseNodeCommand,
} from "./command.ts";
import { createComplaints } from "./complaints.ts";
import type { Journal } from "./journal.ts";
import { type CommandOutcome, judge, MAX_CLOCK_SKEW_MS, type Reply } from "./judge.ts";
import { addressed, mayRespondTo, resultJson } from "./result.ts";
import type { Unseal } from "./signature.ts";

/**
 * Does what `command/node` asks for. The fields of what it resolves with, where that is an
 * object, go into the result; rejects with an error for people where it
 * could not.
 */
export type NodeHandler = (command: NodeCommand) => Promise<unknown>;

export interface DownlinkParts {
  readonly topics: Topics;
  readonly guard: Guard;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: commands need no signature. */
  readonly signed?: {
    readonly unseal: Unseal;
    /** How far ahead a signature's end may lie. */
    readonly maxValidityMs: number;
  };
  /** Ends the sequences that run. */
  readonly stopping?: AbortSignal;
  readonly nodeCommands: Readonly<Partial<Record<NodeAction, NodeHandler>>>;
  /** Whether the broker may have kept a message that arrives now while the node was away. */
  couldBeQueued(): boolean;
  /** Sends a result ahead of any backlog. May reject: a result without a link is lost, the journal has it. */
  publishResult(message: Outgoing): Promise<void>;
}

/** From a message of the broker's to an output that moves, and the answer. */
export interface Downlink {
  readonly filters: readonly string[];
  /** Resolves when the broker may forget the message: what became of it is in the journal. Never rejects. */
  receive(message: Incoming): Promise<void>;
}

/** Commands to one target that may wait while another is carried out. */
const MAX_WAITING = 16;

/** A target's commands, carried out one after the other. */
interface Lane {
  depth: number;
  tail: Promise<void>;
  /** Goes on while the lane is free again, until it ends or a command cancels it. */
  sequence?: { readonly running: RunningSequence; readonly reported: Promise<void> } | undefined;
}

export function createDownlink(parts: DownlinkParts): Downlink {
  const { topics, guard, journal, clock, log, nodeCommands } = parts;
  const complain = createComplaints(clock, log);
  const lanes = new Map<string, Lane>(
    [NODE_TARGET, ...guard.ids].map((target) => [target, { depth: 0, tail: Promise.resolve() }]),
  );

  async function receive(message: Incoming): Promise<void> {
    const target = topics.commandTarget(message.topic);
    // An empty payload is how a retained message is deleted: nobody commands anything.
    if (target === undefined || message.payload.length === 0) return;
    const command = read(target, message);
    if ("refused" in command) return refuseUnsigned(target, message, command.refused, command.id);
    if ("malformed" in command) return refuseUnread(target, message, command.malformed, command.id);
    const lane = lanes.get(target);
    if (!lane) return refuseUnread(target, message, "no such actuator", command.id);
    if (lane.depth > MAX_WAITING)
      // Not remembered: the same command may come again when there is room.
      return answer(target, message, command.id, { status: "rejected", error: "busy: too many commands" });
    lane.depth++;
    const done = lane.tail
      .then(() => handle(target, message, command))
      .catch((error: unknown) =>
        log.error("a command could not be handled", { target, error: String(error) }),
      )
      .finally(() => lane.depth--);
    lane.tail = done;
    return done;
  }

  function read(target: string, { topic, payload }: Incoming) {
    const parse = target === NODE_TARGET ? parseNodeCommand : parseActuatorCommand;
    if (!parts.signed) return parse(payload);
    const unsealed = parts.signed.unseal(topic, payload);
    if ("refused" in unsealed) return unsealed;
    const { nonce, expiresMs } = unsealed;
    const tooFar = expiresMs > clock.wallMs() + parts.signed.maxValidityMs + MAX_CLOCK_SKEW_MS;
    if (clock.synced() && tooFar)
      return { refused: "signature: expires lies too far ahead (commands.max_validity)", id: nonce };
    const command = parse(unsealed.payload);
    if (command.id !== undefined && command.id !== nonce)
      return { refused: "signature: the nonce is the id: leave the id out, or make it the same", id: nonce };
    return { ...command, id: nonce, expiresMs };
  }

  /** Freshness is judged when the command's turn has come, not when it arrived. */
  async function handle(
    target: string,
    message: Incoming,
    command: ActuatorCommand | NodeCommand,
  ): Promise<void> {
    const { id } = command;
    const refusal = judge(command, {
      nowWallMs: clock.wallMs(),
      clockSynced: clock.synced(),
      retained: message.retain,
      couldBeQueued: parts.couldBeQueued(),
      target,
      first: id === undefined ? undefined : journal.outcome(id),
    });
    if (refusal?.status === "duplicate") return answer(target, message, id, refusal);
    if (refusal) return settle(target, message, id, withState(target, refusal as CommandOutcome));
    const unremembered = await begin(id, command.expiresMs);
    if (unremembered !== undefined && !isSafe(target, command))
      return answer(target, message, id, withState(target, { status: "rejected", error: unremembered }));
    if ("set" in command) await cancelSequence(target);
    if ("set" in command && isSequence(command.set)) return startSequence(target, message, id, command.set);
    const outcome: CommandOutcome & Pick<Reply, "details"> =
      "set" in command ? await move(target, command) : await serve(command);
    const { details: _notKept, ...kept } = outcome;
    await finish(id, { ...kept, target });
    answer(target, message, id, outcome);
  }

  /** Returns why the id cannot be remembered, where the disk refuses. */
  async function begin(id: string | undefined, untilMs: number | undefined): Promise<string | undefined> {
    if (id === undefined) return undefined;
    try {
      await journal.begin(id, untilMs);
      return undefined;
    } catch (error) {
      const why = messageOf(error);
      complain("commands cannot be remembered: only those to a safe value are carried out", why, {});
      return `the id cannot be remembered (${why}): only its safe value is accepted`;
    }
  }

  async function finish(id: string | undefined, outcome: CommandOutcome): Promise<void> {
    if (id === undefined) return;
    await journal.finish(id, outcome).catch((error: unknown) => {
      complain("the outcome of a command cannot be stored", String(error), {});
    });
  }

  /** A safe value may be set twice without harm. */
  function isSafe(target: string, command: ActuatorCommand | NodeCommand): boolean {
    return "set" in command && command.set === guard.rules(target)?.safe;
  }

  /** Its outcome is known and answered before the command that cancels it is carried out. */
  async function cancelSequence(target: string): Promise<void> {
    const { sequence } = lanes.get(target)!;
    sequence?.running.cancel("cancelled by a later command");
    await sequence?.reported;
  }

  /**
   * Frees the lane after the first step, so that a later command can cancel the rest. The broker gets its PUBACK then
   * as well, or commands behind this one would have to wait for it [MQTT-4.6.0-2]; the journal knows the id, and answers
   * for the outcome even if the node stops before there is one.
   */
  async function startSequence(
    target: string,
    message: Incoming,
    id: string | undefined,
    steps: readonly Step[],
  ): Promise<void> {
    const report = async (outcome: CommandOutcome) => {
      await finish(id, { ...outcome, target });
      answer(target, message, id, outcome);
    };
    const never = impossible(guard, target, steps);
    if (never !== undefined) return report(withState(target, { status: "rejected", error: never }));
    const lane = lanes.get(target)!;
    const running = runSequence(guard, target, steps, clock, parts.stopping);
    const reported = running.ended.then(async (outcome) => {
      if (lane.sequence?.running === running) lane.sequence = undefined;
      await report(outcomeOf(outcome));
    });
    lane.sequence = { running, reported };
    const { status } = await running.first;
    if (status !== "done") await reported;
  }

  async function move(target: string, { set, forMs }: ActuatorCommand): Promise<CommandOutcome> {
    if (isSequence(set)) throw new TypeError("a sequence is not one move");
    return outcomeOf(
      await guard.request(target, { set, cause: "command", ...(forMs !== undefined && { forMs }) }),
    );
  }

  async function serve(command: NodeCommand): Promise<CommandOutcome & Pick<Reply, "details">> {
    const handler = nodeCommands[command.do];
    if (!handler) return { status: "rejected", error: `${command.do}: not in this version` };
    try {
      const details = await handler(command);
      return typeof details === "object" ? { status: "done", details: { ...details } } : { status: "done" };
    } catch (error) {
      return { status: "failed", error: messageOf(error) };
    }
  }

  function withState(target: string, outcome: CommandOutcome): CommandOutcome {
    const state = guard.state(target)?.value;
    return state === undefined ? outcome : { ...outcome, state };
  }

  /** Answers a refusal that holds for good: a sender who was told no must not be surprised by a later yes. */
  async function settle(
    target: string,
    message: Incoming,
    id: string | undefined,
    outcome: CommandOutcome,
  ): Promise<void> {
    if (id !== undefined && journal.outcome(id) === undefined) await finish(id, { ...outcome, target });
    answer(target, message, id, outcome);
  }

  async function refuseUnread(
    target: string,
    message: Incoming,
    reason: string,
    id: string | undefined,
  ): Promise<void> {
    complain("a command is refused", reason, { target: target.slice(0, 64) });
    if (id === undefined && message.responseTopic === undefined) return;
    await settle(target, message, id, { status: "rejected", error: reason });
  }

  /** Not remembered: whoever has no key must not be able to use ids up, nor the disk. */
  function refuseUnsigned(target: string, message: Incoming, reason: string, id: string | undefined): void {
    complain("a command is refused", reason, { target: target.slice(0, 64) });
    if (id === undefined && message.responseTopic === undefined) return;
    answer(target, message, id, withState(target, { status: "rejected", error: reason }));
  }

  function answer(target: string, message: Incoming, id: string | undefined, reply: Reply): void {
    const { responseTopic } = message;
    if (responseTopic !== undefined && !mayRespondTo(responseTopic, topics.root))
      complain("a response topic is refused", "wildcard, reserved or the node's own", { target });
    for (const result of addressed(resultJson(id, reply, clock.wallMs()), target, message, topics))
      void deliver(result);
  }

  async function deliver(result: Outgoing): Promise<void> {
    try {
      await parts.publishResult(result);
    } catch (error) {
      log.debug("a result was not delivered", { topic: result.topic, error: String(error) });
    }
  }

  return { filters: [topics.commands], receive };
}

function isSequence(set: ActuatorCommand["set"]): set is readonly Step[] {
  return typeof set === "object";
}

function outcomeOf({ status, state, error }: Outcome): CommandOutcome {
  return { status, ...(state !== undefined && { state }), ...(error !== undefined && { error }) };
}
