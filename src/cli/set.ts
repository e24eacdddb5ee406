import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Request } from "../actuators/decision.ts";
import type { ActuatorConfig, Config } from "../config/config.ts";
import { linuxClock } from "../device/linux/clock.ts";
import { silentLog } from "../log.ts";
import { parseActuatorCommand } from "../mqtt/downlink/command.ts";
import { openActuators } from "../node/actuators.ts";
import { boardChooser } from "../node/board.ts";
import { nodeFiles } from "../outbox/files/node.ts";
import { inspectOutbox } from "../outbox/inspect.ts";
import { formatDurationMs, parseDurationMs } from "../schema/duration.ts";
import { DEFAULT_CONFIG, loadOrExplain } from "./config-file.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";
import { askNodeOn } from "./local.ts";

/**
 * `fieldpost set ACTUATOR VALUE [--for 5s]`: one actuation through the guard. A running node does it itself, with cause
 * `local`.
 *
 * Without one,
 * while the command holds an output it is guarded as in a node; when it ends, by itself or by Ctrl-C, the output goes to
 * its safe value, because nobody would be left to enforce `max_on`.
 */
export async function set(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c", default: DEFAULT_CONFIG },
      simulate: { type: "boolean", default: false },
      for: { type: "string" },
    },
    allowPositionals: true,
    strict: true,
  });
  const [id, value, ...others] = positionals;
  if (id === undefined || value === undefined || others.length > 0)
    throw wrongUsage("set takes an ACTUATOR and a VALUE: fieldpost set ACTUATOR VALUE [--for 5s]");
  const command = parseActuatorCommand(Buffer.from(value));
  if ("malformed" in command || typeof command.set === "object" || value.trimStart().startsWith("{"))
    throw wrongUsage(`${value}: expected on, off, toggle or a number`);
  const forMs = values.for === undefined ? undefined : parseDurationMs(values.for);
  if (values.for !== undefined && !forMs)
    throw wrongUsage(`--for ${values.for}: expected a duration such as 250ms, 10s, 5m, 2h or 7d`);
  const config = await loadOrExplain(values.config, io);
  if (!config) return EXIT.config;
  const touched = withInterlocked(config, id);
  if (touched.length === 0) {
    const known = config.actuators.map((actuator) => actuator.id).join(", ");
    throw wrongUsage(`${values.config} has no actuator "${id}"; it has ${known || "none"}`);
  }

  const done = await throughNode(config, id, value, values.for);
  if (done !== undefined) {
    io.stdout(`${id}: ${done}\n`);
    return EXIT.done;
  }

  const clock = linuxClock();
  const { board } = (await boardChooser(values.simulate))(config, clock);
  const noMemory = { read: async () => undefined, replace: async () => {} };
  const { guard } = await openActuators(
    { ...config, actuators: touched },
    { board, clock, log: silentLog, memoryFile: noMemory },
  );
  try {
    const request: Request = { set: command.set, cause: "local", ...(forMs !== undefined && { forMs }) };
    let outcome = await guard.request(id, request);
    if (outcome.allowedInMs !== undefined) {
      // Opening the output counts as switching it: the guard makes a person wait as it would a command.
      const waitMs = Math.ceil(outcome.allowedInMs);
      io.stderr(`${id}: ${outcome.error}; waiting ${formatDurationMs(waitMs)}\n`);
      if (!(await held(clock.sleep.bind(clock), waitMs))) return EXIT.failed;
      outcome = await guard.request(id, request);
    }
    if (outcome.status !== "done") throw new CliError(EXIT.failed, `${id}: ${outcome.error}`);
    io.stdout(`${id}: ${outcome.state}\n`);
    const safe = guard.rules(id)?.safe;
    if (outcome.state !== safe) {
      if (forMs === undefined) io.stderr(`holding ${id}; Ctrl-C ends this and turns it ${safe}\n`);
      else io.stderr(`for ${formatDurationMs(forMs)}; Ctrl-C ends this sooner\n`);
      await held(clock.sleep.bind(clock), forMs);
    }
  } finally {
    await guard.shutdown();
    await board.close();
  }
  io.stdout(`${id}: ${guard.rules(id)?.safe}\n`);
  return EXIT.done;
}

/**
 * A running node holds the lines, and its guard knows what this command cannot: it is asked. Returns what the output is
 * then; undefined: no node runs.
 */
async function throughNode(
  { buffer, mqtt }: Config,
  id: string,
  value: string,
  duration: string | undefined,
): Promise<string | undefined> {
  const ownerPid = existsSync(buffer.path) ? inspectOutbox(buffer.path, nodeFiles()).ownerPid : undefined;
  if (ownerPid === undefined) return undefined;
  const request = { do: "set", actuator: id, value, ...(duration !== undefined && { for: duration }) };
  const answer = await askNodeOn(buffer.path, request);
  if (answer) return String((answer.value as { state: unknown }).state);
  const topic = `${mqtt.topic_root}/command/${id}`;
  throw new CliError(
    EXIT.failed,
    `the node is running (process ${ownerPid}) and does not answer on its local socket: publish to ${topic}, or stop it first`,
  );
}

/**
 * The actuator, or the group with its members, and those they must never be on together with: they are opened too, at
 * their `initial` value.
 */
function withInterlocked({ actuators }: Config, id: string): Config["actuators"] {
  const target = actuators.find((actuator) => actuator.id === id);
  if (!target) return [];
  const members = (target.options["members"] as readonly string[] | undefined) ?? [id];
  const moved = actuators.filter((actuator) => members.includes(actuator.id));
  const bound = (one: ActuatorConfig, other: ActuatorConfig) =>
    one.interlock.includes(other.id) || other.interlock.includes(one.id);
  const others = actuators.filter(
    (other) => !moved.includes(other) && moved.some((actuator) => bound(actuator, other)),
  );
  const opened = [...moved, ...others];
  return [
    ...opened.map((actuator) => ({
      ...actuator,
      interlock: opened
        .filter((other) => other !== actuator && bound(actuator, other))
        .map((other) => other.id),
    })),
    ...(members.includes(id) ? [] : [target]),
  ];
}

/** Resolves with true after the time, with false on Ctrl-C. */
async function held(
  sleep: (durationMs: number, signal: AbortSignal) => Promise<void>,
  forMs: number | undefined,
): Promise<boolean> {
  const interrupted = new AbortController();
  const stop = () => interrupted.abort();
  process.once("SIGINT", stop).once("SIGTERM", stop);
  await sleep(forMs ?? Number.MAX_SAFE_INTEGER, interrupted.signal);
  process.off("SIGINT", stop).off("SIGTERM", stop);
  return !interrupted.signal.aborted;
}
