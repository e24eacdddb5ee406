import { formatDurationMs } from "../schema/duration.ts";
import type { ActuatorValue, Cause } from "./kind.ts";
import type { Rules } from "./rules.ts";

/** What somebody wants of one actuator. */
export interface Request {
  readonly set: ActuatorValue | "toggle";
  readonly cause: Cause;
  /** Goes off again after this long. */
  readonly forMs?: number;
}

/** What is known of one output. All times are monotonic. */
export interface ActuatorState {
  /** What the output was last confirmed to be; undefined until its first write and after one that failed. */
  readonly value: ActuatorValue | undefined;
  /** What it is meant to be: runs ahead of `value` while it is written. */
  readonly target: ActuatorValue;
  readonly cause: Cause;
  /** When it was confirmed to have gone from on to off or back. */
  readonly switchedMs: number;
  /** When it was told to go on; absent while off. Taken before the write, so that `max_on` errs on the short side. */
  readonly onSinceMs?: number;
  /** When its `for` ends. */
  readonly leaseUntilMs?: number;
  /** Its last write failed: when to drive it to its safe value again, and after how many failures. */
  readonly retry?: { readonly atMs: number; readonly failures: number; readonly error: string };
  /** What it begins with once its `startup_delay` is over, unless something else happens first. */
  readonly start?: { readonly atMs: number; readonly set: ActuatorValue };
  /** `offline_after` has done its work for this absence of the broker. */
  readonly failsafeDone: boolean;
}

/** What a decision depends on outside the actuator itself. */
export interface Surroundings {
  readonly nowMs: number;
  /** When the guard began to open the outputs. */
  readonly startedMs: number;
  /** Since when there has been no session with the broker; absent while there is one. */
  readonly offlineSinceMs?: number;
  /** An interlocked actuator that is on, may be on, or is being switched on. */
  readonly blockedBy?: string;
  /** How much longer the load may run by its `budget`, and in how long it may be switched on again; absent: no budget. */
  readonly budget?: { readonly leftMs: number; readonly onAgainInMs: number };
}

/** Which rule stood in the way. */
export type Refusal =
  | "value"
  | "min_on"
  | "min_off"
  | "startup_delay"
  | "budget"
  | "interlock"
  | "offline_after"
  | "fault"
  | "for";

export interface Rejection {
  readonly accepted: false;
  readonly refusal: Refusal;
  readonly reason: string;
  /** When the same request would be allowed, where only time stands in the way. */
  readonly allowedInMs?: number;
}

export type Decision =
  | { readonly accepted: true; readonly value: ActuatorValue; readonly state: ActuatorState }
  | Rejection;

/** The wait before a failed output is driven to its safe value once more: none, then doubling between these. */
const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 5_000;

/** An output that has not been opened: it may be anything. */
export function unopened(rules: Rules): ActuatorState {
  return { value: undefined, target: rules.off, cause: "boot", switchedMs: 0, failsafeDone: false };
}

/** Whether the load could be running: what cannot be known counts as on. */
export function mayBeOn(rules: Rules, { value, target }: ActuatorState): boolean {
  return value === undefined || rules.isOn(value) || rules.isOn(target);
}

/** Answers a request. Where it is accepted, the new state holds from now on and the value is to be written. */
export function decide(
  rules: Rules,
  state: ActuatorState,
  request: Request,
  surroundings: Surroundings,
): Decision {
  const { set, cause } = request;
  const value = set === "toggle" ? (mayBeOn(rules, state) ? rules.off : "on") : set;
  const rejection =
    unacceptable(rules, value) ??
    (isSafety(cause) ? undefined : untimely(rules, state, value, request.forMs, surroundings)) ??
    (cause === "boot" ? offline(rules, value, surroundings) : undefined) ??
    (cause === "failsafe" || !rules.isOn(value) ? undefined : forbidden(rules, state, surroundings));
  if (rejection) return rejection;
  return { accepted: true, value, state: begun(rules, state, value, request, surroundings) };
}

/** The state after the output took its target. */
export function confirmed(rules: Rules, state: ActuatorState, nowMs: number): ActuatorState {
  const { retry: _over, ...rest } = state;
  const switched = state.value === undefined || rules.isOn(state.value) !== rules.isOn(state.target);
  return { ...rest, value: state.target, switchedMs: switched ? nowMs : state.switchedMs };
}

/** The state after the output refused: nobody knows what it does, and it is owed its safe value. */
export function failed(state: ActuatorState, error: string, nowMs: number): ActuatorState {
  const failures = (state.retry?.failures ?? 0) + 1;
  const waitMs = failures === 1 ? 0 : Math.min(RETRY_FIRST_MS * 2 ** (failures - 2), RETRY_LAST_MS);
  return { ...state, value: undefined, retry: { atMs: nowMs + waitMs, failures, error } };
}

/** What an actuator will do of its own accord, unless something else happens first. */
export interface Due {
  readonly atMs: number;
  readonly set: ActuatorValue;
  readonly cause: "boot" | "timer" | "failsafe";
}

export function nextDue(
  rules: Rules,
  state: ActuatorState,
  { nowMs, offlineSinceMs, budget }: Pick<Surroundings, "nowMs" | "offlineSinceMs" | "budget">,
): Due | undefined {
  if (state.retry) return { atMs: state.retry.atMs, set: rules.safe, cause: "failsafe" };
  if (state.value === undefined) return undefined;
  const due: Due[] = [];
  if (rules.offlineAfterMs !== undefined && offlineSinceMs !== undefined)
    if (!state.failsafeDone && state.target !== rules.safe)
      due.push({ atMs: offlineSinceMs + rules.offlineAfterMs, set: rules.safe, cause: "failsafe" });
  if (state.leaseUntilMs !== undefined)
    due.push({ atMs: state.leaseUntilMs, set: rules.off, cause: "timer" });
  if (state.onSinceMs !== undefined && rules.maxOnMs !== undefined)
    due.push({ atMs: state.onSinceMs + rules.maxOnMs, set: rules.off, cause: "timer" });
  if (state.onSinceMs !== undefined && budget)
    due.push({ atMs: nowMs + budget.leftMs, set: rules.off, cause: "timer" });
  if (state.start) due.push({ ...state.start, cause: "boot" });
  // A stable sort: of two at the same instant the fail-safe comes first.
  return due.sort((a, b) => a.atMs - b.atMs)[0];
}

/** Causes that protect people and machines: waiting times do not hold them up. */
function isSafety(cause: Cause): boolean {
  return cause === "boot" || cause === "failsafe" || cause === "timer" || cause === "interlock";
}

function offlineTooLong(rules: Rules, { nowMs, offlineSinceMs }: Surroundings): boolean {
  return (
    rules.offlineAfterMs !== undefined &&
    offlineSinceMs !== undefined &&
    nowMs >= offlineSinceMs + rules.offlineAfterMs
  );
}

function unacceptable(rules: Rules, value: ActuatorValue): Rejection | undefined {
  return rules.accepts(value) ? undefined : reject("value", `${rules.id} cannot be ${value}`);
}

function untimely(
  rules: Rules,
  state: ActuatorState,
  value: ActuatorValue,
  forMs: number | undefined,
  surroundings: Surroundings,
): Rejection | undefined {
  const { nowMs, startedMs } = surroundings;
  if (state.value === undefined)
    return reject(
      "fault",
      `${rules.id} does not obey (${state.retry?.error ?? "not open yet"}) and is being made safe`,
    );
  const wasOn = rules.isOn(state.value);
  const goesOn = !wasOn && rules.isOn(value);
  const heldMs = nowMs - state.switchedMs;
  const rejection =
    offline(rules, value, surroundings) ??
    (wasOn && !rules.isOn(value)
      ? holding("min_on", `${rules.id} may go off`, rules.minOnMs - heldMs)
      : undefined) ??
    (goesOn ? holding("min_off", `${rules.id} may go on`, rules.minOffMs - heldMs) : undefined) ??
    (rules.isOn(value)
      ? holding("startup_delay", `${rules.id} may go on`, startedMs + rules.startupDelayMs - nowMs)
      : undefined);
  if (rejection || forMs === undefined) return rejection;
  if (!rules.isOn(value)) return reject("for", "for is only for a value that switches on");
  if (forMs + (wasOn ? heldMs : 0) < rules.minOnMs)
    return reject("min_on", `for is shorter than min_on (${formatDurationMs(rules.minOnMs)})`);
  return undefined;
}

function offline(rules: Rules, value: ActuatorValue, surroundings: Surroundings): Rejection | undefined {
  if (value === rules.safe || !offlineTooLong(rules, surroundings)) return undefined;
  return reject("offline_after", `no broker for too long: ${rules.id} stays ${rules.safe}`);
}

/** What even the start does not do. The fail-safe does: the guard switches what is interlocked off first. */
function forbidden(
  rules: Rules,
  { value }: ActuatorState,
  { blockedBy, budget }: Surroundings,
): Rejection | undefined {
  if (blockedBy !== undefined) return reject("interlock", `${blockedBy} is on or may be on`);
  const isOn = value !== undefined && rules.isOn(value);
  if (isOn || !rules.budget || !budget || budget.onAgainInMs <= 0) return undefined;
  const { runTimeMs, perMs } = rules.budget;
  const used = `its ${formatDurationMs(Math.round(runTimeMs))} in ${formatDurationMs(perMs)} are used up`;
  return holding("budget", `${used}; ${rules.id} may go on`, budget.onAgainInMs);
}

function holding(
  refusal: "min_on" | "min_off" | "startup_delay" | "budget",
  what: string,
  waitMs: number,
): Rejection | undefined {
  if (waitMs <= 0) return undefined;
  const allowedInMs = Math.ceil(waitMs);
  return { ...reject(refusal, `${what} in ${formatDurationMs(allowedInMs)}`), allowedInMs };
}

function reject(refusal: Refusal, reason: string): Rejection {
  return { accepted: false, refusal, reason: `${refusal}: ${reason}` };
}

/** Any accepted request ends the `for` of the one before it, and what was to happen after the start. */
function begun(
  rules: Rules,
  { onSinceMs, leaseUntilMs: _replaced, start: _overtaken, ...state }: ActuatorState,
  value: ActuatorValue,
  { cause, forMs = Number.POSITIVE_INFINITY }: Request,
  surroundings: Surroundings,
): ActuatorState {
  const { nowMs } = surroundings;
  const lastsMs = rules.isOn(value)
    ? Math.min(forMs, rules.runsForMs(value) ?? Number.POSITIVE_INFINITY)
    : Number.POSITIVE_INFINITY;
  return {
    ...state,
    ...(rules.isOn(value) && { onSinceMs: onSinceMs ?? nowMs }),
    ...(lastsMs < Number.POSITIVE_INFINITY && { leaseUntilMs: nowMs + lastsMs }),
    target: value,
    cause,
    failsafeDone: state.failsafeDone || (cause === "failsafe" && offlineTooLong(rules, surroundings)),
  };
}
