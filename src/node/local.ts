import type { LocalRequest } from "../local/protocol.ts";
import { type LocalServer, serveLocal } from "../local/server.ts";
import type { Log } from "../log.ts";
import { parseActuatorCommand } from "../mqtt/downlink/command.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Recorder } from "../record/recorder.ts";
import { parseDurationMs } from "../schema/duration.ts";
import { dropWaiting } from "./drop.ts";
import { type ViewSources, viewNode, viewSensor } from "./view.ts";

export interface LocalParts extends ViewSources {
  /** Where a socket may be made, best first. */
  readonly paths: readonly string[];
  readonly outbox: Outbox;
  readonly recorder: Recorder;
  readonly log: Log;
}

/** What the node does for whoever may talk to its local socket. */
export function openLocal(parts: LocalParts): Promise<LocalServer> {
  const { paths, clock, log } = parts;
  return serveLocal({ paths, clock, log, answer: (request) => answer(parts, request) });
}

type Doer = (parts: LocalParts, request: LocalRequest) => Promise<unknown>;

const DOERS: ReadonlyMap<string, Doer> = new Map<string, Doer>([
  ["status", viewNode],
  ["drop", drop],
  ["set", set],
  ["read", read],
]);

async function answer(parts: LocalParts, request: LocalRequest): Promise<unknown> {
  const { buffer, device } = parts.config;
  if (request.outbox !== undefined && request.outbox !== buffer.path)
    throw new Error(
      `this is the node ${device.id} on ${buffer.path}; the one on ${request.outbox} does not answer`,
    );
  const doer = DOERS.get(request.do);
  if (!doer) throw new Error(`do: expected one of ${[...DOERS.keys()].join(", ")}`);
  return doer(parts, request);
}

async function drop({ outbox, recorder, log }: LocalParts, { to_seq: toSeq }: LocalRequest) {
  if (!Number.isSafeInteger(toSeq) || (toSeq as number) >= outbox.status().nextSeq || (toSeq as number) < 1)
    throw new Error("to_seq: expected the number of a record");
  const dropped = await dropWaiting(outbox, recorder, log, toSeq as number);
  return { count: dropped.count, from_seq: dropped.fromSeq, to_seq: dropped.toSeq };
}

/** One actuation through the node's own guard. */
async function set({ guard }: LocalParts, request: LocalRequest) {
  const id = String(request["actuator"]);
  const command = parseActuatorCommand(Buffer.from(String(request["value"])));
  if (!("set" in command) || typeof command.set === "object")
    throw new Error("value: expected on, off, toggle or a number");
  const forMs = request["for"] === undefined ? undefined : parseDurationMs(String(request["for"]));
  if (request["for"] !== undefined && !forMs) throw new Error("for: expected a duration such as 30s");
  const outcome = await guard.request(id, {
    set: command.set,
    cause: "local",
    ...(forMs !== undefined && { forMs }),
  });
  if (outcome.status !== "done") throw new Error(`${id}: ${outcome.error}`);
  return { state: outcome.state };
}

/** A sample out of turn. It goes the way of every other one: into the outbox too. */
async function read(parts: LocalParts, request: LocalRequest) {
  const id = String(request["sensor"]);
  const settings = parts.config.sensors.find((sensor) => sensor.id === id);
  const sampler = parts.samplers.get(id);
  if (!settings || !sampler) throw new Error(`no such sensor: ${id}`);
  await sampler.sampleNow();
  const { at } = parts.readings.of(id);
  return { ...viewSensor(settings, parts), time_ms: at?.wallMs };
}
