import type { Guard } from "../actuators/guard.ts";
import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import {
  type ActuatorCommand,
  type NodeAction,
  type NodeCommand,
  parseActuatorCommand,
  parseNodeCommand,
} from "./command.ts";
import { createComplaints } from "./complaints.ts";
import type { Journal } from "./journal.ts";
import { type CommandOutcome, judge, type Reply } from "./judge.ts";
import type { Incoming, Outgoing } from "./link.ts";
import { addressed, mayRespondTo, resultJson } from "./result.ts";
import { NODE_TARGET, type Topics } from "./topics.ts";

/** Does what `command/node` asks for. Rejects with an error for people where it could not. */
export type NodeHandler = (command: NodeCommand) => Promise<void>;

export interface DownlinkParts {
  readonly topics: Topics;
  readonly guard: Guard;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
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
    const command =
      target === NODE_TARGET ? parseNodeCommand(message.payload) : parseActuatorCommand(message.payload);
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
    const unremembered = await begin(id);
    if (unremembered !== undefined && !isSafe(target, command))
      return answer(target, message, id, withState(target, { status: "rejected", error: unremembered }));
    const outcome = "set" in command ? await move(target, command) : await serve(command);
    await finish(id, { ...outcome, target });
    answer(target, message, id, outcome);
  }

  /** Returns why the id cannot be remembered, where the disk refuses. */
  async function begin(id: string | undefined): Promise<string | undefined> {
    if (id === undefined) return undefined;
    try {
      await journal.begin(id);
      return undefined;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
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

  async function move(target: string, { set, forMs }: ActuatorCommand): Promise<CommandOutcome> {
    const request = { set, cause: "command", ...(forMs !== undefined && { forMs }) } as const;
    const { status, state, error } = await guard.request(target, request);
    return { status, ...(state !== undefined && { state }), ...(error !== undefined && { error }) };
  }

  async function serve(command: NodeCommand): Promise<CommandOutcome> {
    const handler = nodeCommands[command.do];
    if (!handler) return { status: "rejected", error: `${command.do}: not in this version` };
    try {
      await handler(command);
      return { status: "done" };
    } catch (error) {
      return { status: "failed", error: error instanceof Error ? error.message : String(error) };
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
