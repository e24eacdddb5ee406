import type { Change, Guard } from "../actuators/guard.ts";
import type { Clock } from "../device/clock.ts";
import type { Log } from "../log.ts";
import type { Moment } from "../record/recorder.ts";
import type { Measurements } from "../sensors/driver.ts";
import {
  answered,
  awake,
  type Control,
  commanded,
  dueMs,
  IDLE,
  moved,
  NO_STAND,
  type OwnedWish,
  type Stand,
  standOf,
  wished,
  wishFor,
} from "./control.ts";
import {
  type Calendar,
  evaluate,
  type Facts,
  FRESH,
  type LatestValue,
  type Memory,
  type Truth,
} from "./evaluate.ts";
import { actuatorsOf, forMembers, type Rule } from "./rule.ts";

export interface RuleParts {
  readonly rules: readonly Rule[];
  readonly guard: Guard;
  readonly clock: Clock;
  readonly log: Log;
  /** What reads the clock on the wall; absent where no rule does. */
  readonly calendar?: Calendar | undefined;
}

/** The rules of a node at work. They need no broker: what they look at and what they move is all here. */
export interface RuleEngine {
  /** The guard for everybody but the rules: what is commanded through it overrides them. */
  readonly guard: Guard;
  /** A sensor has spoken. */
  sampled(sensor: string, measurements: Measurements, at: Moment): void;
  /** An actuator has moved, whoever did it. */
  changed(change: Change): void;
  /** The rule that last moved an actuator. */
  ruleOf(actuator: string): string | undefined;
  /** What each rule's condition was found to be last, by rule. */
  truths(): ReadonlyMap<string, Truth>;
  /** Until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** The rules look around this often at least, whatever they wait for. */
const MAX_SLEEP_MS = 60_000;

export function createRuleEngine({ guard, clock, log, calendar, ...parts }: RuleParts): RuleEngine {
  const membersOf = (id: string) => guard.members?.(id);
  const rules = parts.rules.map((rule) => forMembers(rule, membersOf));
  const startedMs = clock.monotonicMs();
  const values = new Map<string, Map<string, LatestValue>>();
  const lastSaid = new Map<string, number>();
  const memories: Memory[] = rules.map(() => FRESH);
  const stands: Stand[] = rules.map(() => NO_STAND);
  const truths = new Map<string, Truth>();
  const actuators = [...new Set(rules.flatMap(actuatorsOf))];
  const controls = new Map<string, Control>(actuators.map((id) => [id, IDLE]));
  const overrideMs = new Map(actuators.map((id) => [id, longestOverride(id, rules)]));
  const movers = new Map<string, string>();
  const busy = new Set<string>();
  const complained = new Map<string, string>();
  // With a reason of its own, abort() makes no DOMException and takes no stack trace: this runs at every reading.
  let wake = new AbortController();

  function update(actuator: string, change: (control: Control) => Control): void {
    const control = controls.get(actuator);
    if (control) controls.set(actuator, change(control));
  }

  /** Looks at every condition; returns when to look again. */
  function look(): number {
    const nowMs = clock.monotonicMs();
    const facts: Facts = {
      nowMs,
      startedMs,
      wallMs: clock.synced() ? clock.wallMs() : undefined,
      calendar,
      value: (sensor, field) => values.get(sensor)?.get(field),
      lastSaidMs: (sensor) => lastSaid.get(sensor),
    };
    let nextMs = nowMs + MAX_SLEEP_MS;
    for (const [at, rule] of rules.entries()) {
      const verdict = evaluate(rule.when, memories[at]!, facts);
      memories[at] = verdict.memory;
      stands[at] = standOf(rule, stands[at]!, verdict.truth, nowMs - startedMs);
      tellTruth(rule, verdict.truth);
      nextMs = Math.min(nextMs, verdict.dueMs);
    }
    for (const id of actuators) {
      const wish = wishFor(id, rules, stands, guard.rules(id)!.safe);
      update(id, (control) => wished(awake(control, nowMs), wish));
      act(id);
      if (!busy.has(id)) nextMs = Math.min(nextMs, dueMs(controls.get(id)!));
    }
    return nextMs;
  }

  function tellTruth({ id, words }: Rule, truth: Truth): void {
    if (truths.has(id) && truths.get(id) === truth) return;
    truths.set(id, truth);
    log.debug("a rule's condition changed", { rule: id, when: words, truth: truth ?? "unknown" });
  }

  /** Asks the guard for what is wished, where that is due. */
  function act(id: string): void {
    const control = controls.get(id)!;
    const { wish } = control;
    if (!wish || busy.has(id) || !control.pending || dueMs(control) > clock.monotonicMs()) return;
    busy.add(id);
    void carryOut(id, wish).finally(() => {
      busy.delete(id);
      wake.abort("woken");
    });
  }

  async function carryOut(id: string, wish: OwnedWish): Promise<void> {
    const { set, forMs, rule } = wish;
    movers.set(id, rule);
    const outcome = await guard.request(id, { set, cause: "rule", ...(forMs !== undefined && { forMs }) });
    update(id, (control) => answered(control, wish, outcome, clock.monotonicMs()));
    const said = outcome.status === "done" ? "" : `${rule}: ${outcome.refusal ?? outcome.error}`;
    if (complained.get(id) === said) return;
    complained.set(id, said);
    if (said !== "") log.info("a rule has to wait", { rule, actuator: id, reason: outcome.error });
  }

  return {
    guard: {
      ...guard,
      async request(id, request) {
        const outcome = await guard.request(id, request);
        const manual = request.cause === "command" || request.cause === "local";
        if (manual && outcome.status === "done") {
          const lastsMs = (each: string) => request.forMs ?? overrideMs.get(each);
          for (const each of membersOf(id) ?? [id])
            update(each, (control) => commanded(control, lastsMs(each), clock.monotonicMs()));
          wake.abort("woken");
        }
        return outcome;
      },
    },
    sampled(sensor, measurements, at) {
      const fields = values.get(sensor) ?? new Map<string, LatestValue>();
      values.set(sensor, fields);
      for (const [field, value] of Object.entries(measurements))
        fields.set(field, { value, atMs: at.monotonicMs });
      lastSaid.set(sensor, at.monotonicMs);
      wake.abort("woken");
    },
    changed({ id, cause }) {
      update(id, (control) => moved(control, cause, clock.monotonicMs()));
      wake.abort("woken");
    },
    ruleOf: (actuator) => [actuator, ...(membersOf(actuator) ?? [])].flatMap((id) => movers.get(id) ?? [])[0],
    truths: () => truths,
    async run(signal) {
      const stop = () => wake.abort("woken");
      signal.addEventListener("abort", stop, { once: true });
      while (!signal.aborted) {
        wake = new AbortController();
        const nextMs = look();
        await clock.sleep(Math.max(1, Math.ceil(nextMs - clock.monotonicMs())), wake.signal);
      }
      signal.removeEventListener("abort", stop);
    },
  };
}

function longestOverride(actuator: string, rules: readonly Rule[]): number | undefined {
  const given = rules
    .filter((rule) => actuatorsOf(rule).includes(actuator))
    .flatMap(({ overrideMs }) => overrideMs ?? []);
  return given.length === 0 ? undefined : Math.max(...given);
}
