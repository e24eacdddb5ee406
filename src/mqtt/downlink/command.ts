import type { ActuatorValue } from "../../actuators/kind.ts";
import { MAX_SEQUENCE_MS, MAX_STEPS, type Step } from "../../actuators/sequence.ts";
import { formatDurationMs, parseDurationMs } from "../../schema/duration.ts";

/** What every command may say about itself. */
export interface Provenance {
  /** Chosen by the sender; makes the command idempotent. 1 to 128 printable ASCII characters. */
  readonly id?: string;
  /** When the sender issued it, UTC, milliseconds since the epoch. */
  readonly issuedMs?: number;
  /** How long after that it may still be carried out. */
  readonly maxAgeMs?: number;
  /** A signed command only: when its signature ends, UTC, milliseconds since the epoch. */
  readonly expiresMs?: number;
}

/** A command to an actuator. */
export interface ActuatorCommand extends Provenance {
  readonly set: ActuatorValue | "toggle" | readonly Step[];
  readonly forMs?: number;
}

export const NODE_ACTIONS = ["sample", "about", "identify", "restart", "resend"] as const;
export type NodeAction = (typeof NODE_ACTIONS)[number];

/** A command to the node itself. */
export interface NodeCommand extends Provenance {
  readonly do: NodeAction;
  /** The range that `resend` asks for, both ends included. */
  readonly fromSeq?: number;
  readonly toSeq?: number;
}

/** A payload that is no command. */
export interface Malformed {
  readonly malformed: string;
  /** Where it could still be read, so that the sender gets an answer. */
  readonly id?: string;
}

export const MAX_COMMAND_BYTES = 65_536;
/** A larger one is not looked into at all; the node tells MQTT 5 brokers not to send it. */
const MAX_ANSWERED_BYTES = 262_144;

const PLAIN_NUMBER = /^[+-]?\d{1,20}(\.\d{1,20})?$/;
const EXPECTED = "expected on, off, toggle, a number, a JSON object or a list of steps";

/** RFC 3339, section 5.6: with its offset from UTC, or it would say nothing. */
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads the payload of `command/<actuator>`. Never throws. */
export function parseActuatorCommand(payload: Uint8Array): ActuatorCommand | Malformed {
  const text = decode(payload);
  if (typeof text !== "string") return text;
  if (text === "toggle" || isWord(text)) return { set: text };
  if (PLAIN_NUMBER.test(text)) return { set: Number(text) };
  if (text.startsWith("[")) return readPlainSteps(text);
  return readObject(text, ["id", "set", "for", "issued", "max_age"], (fields, provenance) => {
    const set = fields["set"];
    if (set === undefined) return "set is missing";
    if (Array.isArray(set)) {
      if (fields["for"] !== undefined) return "for: each step of a sequence has its own";
      const steps = readSteps(set);
      return typeof steps === "string" ? steps : { ...provenance, set: steps };
    }
    const known = set === "toggle" || isWord(set);
    if (!known && !(typeof set === "number" && Number.isFinite(set)))
      return "set: expected on, off, toggle, a number or a list of steps";
    const forMs = readDuration(fields["for"]);
    if (forMs === "malformed" || forMs === 0) return "for: expected a duration such as 30s";
    return { ...provenance, set: set as ActuatorValue | "toggle", ...(forMs !== undefined && { forMs }) };
  });
}

/** The values that are words. Whether an actuator can take one is its kind's word, and the guard's answer. */
function isWord(value: unknown): value is Exclude<ActuatorValue, number> {
  return value === "on" || value === "off" || value === "open" || value === "close" || value === "stop";
}

function readPlainSteps(text: string): ActuatorCommand | Malformed {
  const list = parseJson(text);
  const steps = Array.isArray(list) ? readSteps(list) : EXPECTED;
  return typeof steps === "string" ? { malformed: steps } : { set: steps };
}

/** A sequence, or what is wrong with it. Only its last step may be without an end. */
function readSteps(list: readonly unknown[]): readonly Step[] | string {
  if (list.length === 0 || list.length > MAX_STEPS) return `set: expected 1 to ${MAX_STEPS} steps`;
  const steps: Step[] = [];
  let totalMs = 0;
  for (const [index, item] of list.entries()) {
    const at = `step ${index + 1}`;
    const { set, for: lasts, ...strange } = (item ?? {}) as Fields;
    const unknown = Object.keys(strange)[0];
    if (typeof item !== "object" || Array.isArray(item) || unknown !== undefined)
      return `${at}: expected {"set":"on","for":"2s"}`;
    if (!isWord(set) && !(typeof set === "number" && Number.isFinite(set)))
      return `${at}: set: expected on, off or a number`;
    const forMs = readDuration(lasts);
    if (forMs === "malformed" || forMs === 0) return `${at}: for: expected a duration such as 2s`;
    if (forMs === undefined && index < list.length - 1) return `${at}: for is missing`;
    totalMs += forMs ?? 0;
    steps.push({ set, ...(forMs !== undefined && { forMs }) });
  }
  if (totalMs > MAX_SEQUENCE_MS) return `set: a sequence takes ${formatDurationMs(MAX_SEQUENCE_MS)} at most`;
  return steps;
}

/** Reads the payload of `command/node`. Never throws. */
export function parseNodeCommand(payload: Uint8Array): NodeCommand | Malformed {
  const text = decode(payload);
  if (typeof text !== "string") return text;
  const known = ["id", "do", "issued", "max_age", "from_seq", "to_seq"];
  return readObject(text, known, (fields, provenance) => {
    const action = NODE_ACTIONS.find((name) => name === fields["do"]);
    if (!action) return `do: expected one of ${NODE_ACTIONS.join(", ")}`;
    const { from_seq: fromSeq, to_seq: toSeq } = fields;
    if (action !== "resend")
      return fromSeq === undefined && toSeq === undefined
        ? { ...provenance, do: action }
        : "from_seq and to_seq are only for resend";
    if (!isSeq(fromSeq) || !isSeq(toSeq) || fromSeq > toSeq)
      return "resend: expected positive whole numbers from_seq <= to_seq";
    return { ...provenance, do: action, fromSeq, toSeq };
  });
}

function decode(payload: Uint8Array): string | Malformed {
  if (payload.length > MAX_COMMAND_BYTES) {
    const id = idOf(payload);
    return { malformed: `larger than ${MAX_COMMAND_BYTES} bytes`, ...(id !== undefined && { id }) };
  }
  try {
    return utf8.decode(payload).trim();
  } catch {
    return { malformed: "not UTF-8" };
  }
}

/** The id of a command that is too large to be carried out, so that its sender gets an answer. */
function idOf(payload: Uint8Array): string | undefined {
  if (payload.length > MAX_ANSWERED_BYTES) return undefined;
  const id = parseObject(Buffer.from(payload).toString("latin1"))?.["id"];
  return isId(id) ? id : undefined;
}

/** The keys of the payload's JSON object, on no prototype: a key called `__proto__` is just unknown. */
export type Fields = Readonly<Record<string, unknown>>;

function readObject<C extends Provenance>(
  text: string,
  known: readonly string[],
  read: (fields: Fields, provenance: Provenance) => C | string,
): C | Malformed {
  const fields = parseObject(text);
  if (!fields) return { malformed: EXPECTED };
  const id = fields["id"];
  if (id !== undefined && !isId(id)) return { malformed: "id: expected 1 to 128 printable ASCII characters" };
  const answerable = (malformed: string) => ({ malformed, ...(id !== undefined && { id }) });
  const unknown = Object.keys(fields).find((key) => !known.includes(key));
  if (unknown !== undefined)
    return answerable(`unknown key ${JSON.stringify(unknown.slice(0, 32))}: expected ${known.join(", ")}`);
  const provenance = readProvenance(id, fields);
  if (typeof provenance === "string") return answerable(provenance);
  const command = read(fields, provenance);
  return typeof command === "string" ? answerable(command) : command;
}

export function parseObject(text: string): Fields | undefined {
  const value = text.startsWith("{") ? parseJson(text) : undefined;
  return value === undefined ? undefined : (Object.assign(Object.create(null), value) as Fields);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readProvenance(id: string | undefined, fields: Fields): Provenance | string {
  const issuedMs = readTimestamp(fields["issued"]);
  if (issuedMs === "malformed") return "issued: expected a time such as 2026-11-23T00:44:20Z";
  const maxAgeMs = readDuration(fields["max_age"]);
  if (maxAgeMs === "malformed") return "max_age: expected a duration such as 10s";
  if (maxAgeMs !== undefined && issuedMs === undefined) return "max_age needs issued beside it";
  return {
    ...(id !== undefined && { id }),
    ...(issuedMs !== undefined && { issuedMs }),
    ...(maxAgeMs !== undefined && { maxAgeMs }),
  };
}

export function readTimestamp(value: unknown): number | "malformed" | undefined {
  if (value === undefined) return undefined;
  const wallMs = typeof value === "string" && TIMESTAMP.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(wallMs) ? "malformed" : wallMs;
}

function readDuration(value: unknown): number | "malformed" | undefined {
  if (value === undefined) return undefined;
  return (typeof value === "string" ? parseDurationMs(value) : undefined) ?? "malformed";
}

export function isId(value: unknown): value is string {
  return typeof value === "string" && /^[\x20-\x7e]{1,128}$/.test(value);
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
