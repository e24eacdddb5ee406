import type { Outcome } from "../actuators/guard.ts";
import type { ActuatorValue, Cause } from "../actuators/kind.ts";
import type { Truth } from "./evaluate.ts";
import { actuatorsOf, type Rule, type Wish } from "./rule.ts";

/** What a rule currently stands for. */
export interface Stand {
  /** Its condition could be told at least once, or should have been by now. */
  readonly told: boolean;
  readonly side: "set" | "otherwise" | "safe" | undefined;
}

export const NO_STAND: Stand = { told: false, side: undefined };

/** A rule whose condition cannot be told keeps quiet at first: sensors take a moment to speak. */
export const FIRST_WORD_MS = 60_000;

/** What a rule stands for after its condition has been looked at. */
export function standOf(rule: Rule, before: Stand, truth: Truth, sinceStartMs: number): Stand {
  if (truth === true) return { told: true, side: "set" };
  if (truth === false) return { told: true, side: "otherwise" };
  if (!before.told && sinceStartMs < FIRST_WORD_MS) return before;
  return { told: true, side: rule.unknown === "keep" ? before.side : rule.unknown };
}

/** A wish of a rule's for one actuator. */
export interface OwnedWish extends Wish {
  readonly rule: string;
}

/** What the rules together want of one actuator: the first that wants anything is heard. */
export function wishFor(
  actuator: string,
  rules: readonly Rule[],
  stands: readonly Stand[],
  safe: ActuatorValue,
): OwnedWish | undefined {
  for (const [at, rule] of rules.entries()) {
    const wish = wishOf(rule, stands[at]?.side, actuator, safe);
    if (wish) return { ...wish, rule: rule.id };
  }
  return undefined;
}

function wishOf(rule: Rule, side: Stand["side"], actuator: string, safe: ActuatorValue): Wish | undefined {
  if (side === "safe") return actuatorsOf(rule).includes(actuator) ? { set: safe } : undefined;
  return side === undefined ? undefined : rule[side][actuator];
}

/** What the rules have to do with one actuator. All times are monotonic milliseconds. */
export interface Control {
  readonly wish: OwnedWish | undefined;
  /** The wish has not been carried out yet. */
  readonly pending: boolean;
  /** Not asked again before. */
  readonly notBeforeMs: number;
  /** Somebody commands: rules keep off until then. */
  readonly overriddenUntilMs?: number;
}

export const IDLE: Control = { wish: undefined, pending: false, notBeforeMs: 0 };

/** How soon a wish is asked for again where the guard does not say when it may be granted. */
const AGAIN_MS = 5_000;

/** The rules want this now. Asked for once, until it is granted; wanting the same on is no news. */
export function wished(control: Control, wish: OwnedWish | undefined): Control {
  const { wish: before } = control;
  const same = before?.rule === wish?.rule && before?.set === wish?.set && before?.forMs === wish?.forMs;
  return same ? control : { ...control, wish, pending: wish !== undefined, notBeforeMs: 0 };
}

/** The guard has answered what was asked for `asked`. */
export function answered(control: Control, asked: OwnedWish, outcome: Outcome, nowMs: number): Control {
  if (control.wish !== asked) return control;
  const hopeless = ["value", "for", "unknown", "stopping"].includes(outcome.refusal ?? "");
  if (outcome.status === "done" || hopeless) return { ...control, pending: false };
  return { ...control, pending: true, notBeforeMs: nowMs + (outcome.allowedInMs ?? AGAIN_MS) };
}

/** Somebody's command was carried out; it holds for this long, or, undefined, until the rules want something else. */
export function commanded(control: Control, overrideMs: number | undefined, nowMs: number): Control {
  const { overriddenUntilMs: _replaced, ...rest } = control;
  return {
    ...rest,
    pending: false,
    ...(overrideMs !== undefined && { overriddenUntilMs: nowMs + overrideMs }),
  };
}

/**
 * The actuator moved by itself. What safety took away the rules take up again when the guard lets them; what `max_on`,
 * a budget or the end of a `for` switched off stays off until they want something else in between.
 */
export function moved(control: Control, cause: Cause, nowMs: number): Control {
  if (cause !== "failsafe" && cause !== "interlock") return control;
  return { ...control, pending: control.wish !== undefined, notBeforeMs: nowMs + AGAIN_MS };
}

/** An override that is over leaves the wish to be carried out. */
export function awake(control: Control, nowMs: number): Control {
  if (control.overriddenUntilMs === undefined || nowMs < control.overriddenUntilMs) return control;
  const { overriddenUntilMs: _over, ...rest } = control;
  return { ...rest, pending: control.wish !== undefined };
}

/** When there is next something to do for this actuator; Infinity: not before something happens. */
export function dueMs({ pending, notBeforeMs, overriddenUntilMs }: Control): number {
  if (overriddenUntilMs !== undefined) return overriddenUntilMs;
  return pending ? notBeforeMs : Number.POSITIVE_INFINITY;
}
