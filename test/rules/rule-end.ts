import { type GroupSettings, withGroups } from "../../src/actuators/group.ts";
import type { Change, Guard } from "../../src/actuators/guard.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { silentLog } from "../../src/log.ts";
import { now } from "../../src/record/recorder.ts";
import { createRuleEngine, type RuleEngine } from "../../src/rules/engine.ts";
import type { Calendar } from "../../src/rules/evaluate.ts";
import type { Condition, ReadingCondition, Rule } from "../../src/rules/rule.ts";
import type { Measurements } from "../../src/sensors/driver.ts";
import { configured, openWired, RelayBoard } from "../actuators/wiring.ts";

/** A reading of `air`'s temperature against bounds. */
export function temperature(bounds: Partial<ReadingCondition>): ReadingCondition {
  return {
    kind: "reading",
    sensor: "air",
    field: "temperature",
    hysteresis: 0,
    maxAgeMs: 60_000,
    forMs: 0,
    ...bounds,
  };
}

export function rule(id: string, when: Condition, more: Partial<Rule>): Rule {
  return { id, when, words: id, set: {}, otherwise: {}, unknown: "safe", ...more };
}

/** Rules behind a real guard on relays, on a virtual clock. */
export class RuleEnd {
  readonly clock = new VirtualClock({ wallMs: Date.UTC(2026, 10, 23) });
  readonly relays = new RelayBoard(this.clock);
  readonly changes: (Change & { readonly rule?: string | undefined })[] = [];
  readonly #running = new AbortController();
  /** Behind the rules: what they themselves go through. */
  inner!: Guard;
  engine!: RuleEngine;

  static async start(
    actuators: readonly Record<string, unknown>[],
    rules: readonly Rule[],
    {
      synced = true,
      calendar,
      groups = [],
    }: {
      readonly synced?: boolean;
      readonly calendar?: Calendar;
      readonly groups?: readonly GroupSettings[];
    } = {},
  ): Promise<RuleEnd> {
    const end = new RuleEnd();
    end.clock.setSynced(synced);
    const outputs = await end.clock.run(
      openWired({
        actuators: configured(actuators),
        gpio: end.relays.gpio(),
        clock: end.clock,
        onChange: (change) => {
          end.changes.push({ ...change, rule: end.engine?.ruleOf(change.id) });
          end.engine?.changed(change);
        },
      }),
    );
    end.inner = withGroups(outputs, groups);
    end.inner.setOnline(true);
    end.engine = createRuleEngine({ rules, guard: end.inner, clock: end.clock, log: silentLog, calendar });
    void end.engine.run(end.#running.signal);
    await end.clock.advance(0);
    return end;
  }

  async say(sensor: string, measurements: Measurements): Promise<void> {
    this.engine.sampled(sensor, measurements, now(this.clock));
    await this.clock.advance(2);
  }

  /** Says the temperature now and every ten seconds for as long as that. */
  async keepSaying(temperature: number, forMs: number): Promise<void> {
    const untilMs = this.clock.monotonicMs() + forMs;
    while (this.clock.monotonicMs() < untilMs) {
      await this.say("air", { temperature });
      await this.clock.advance(Math.max(0, Math.min(10_000, untilMs - this.clock.monotonicMs())));
    }
  }

  async command(id: string, set: "on" | "off", forMs?: number) {
    const request = { set, cause: "command", ...(forMs !== undefined && { forMs }) } as const;
    const outcome = await this.clock.run(this.engine.guard.request(id, request));
    await this.clock.advance(2);
    return outcome;
  }

  value(id: string) {
    return this.inner.state(id)?.value;
  }

  stop(): void {
    this.#running.abort();
  }
}
