import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Guard, Outcome } from "../../src/actuators/guard.ts";
import type { Cause } from "../../src/actuators/kind.ts";
import type { Clock } from "../../src/device/clock.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { howMany, SEED } from "../exhaustive.ts";
import { Inspector } from "./inspector.ts";
import { configured, inMemory, openWired, type Refusing, RelayBoard } from "./wiring.ts";

const actuators = configured([
  { id: "pump", pin: 5, max_on: "10s", min_off: "3s", offline_after: "6s", interlock: ["valve"] },
  { id: "valve", pin: 6, min_on: "2s", offline_after: "15s" },
  { id: "fan", pin: 7, initial: "on", max_on: "15s", min_off: "1s", min_on: "4s" },
  { id: "vent", pin: 8, safe: "on", offline_after: "10s", interlock: ["heater"] },
  { id: "heater", pin: 9, max_on: "8s", min_on: "2s", interlock: ["fan", "vent"], active_low: true },
  { id: "mixer", pin: 10, initial: "on", startup_delay: "3s", restore: "last", offline_after: "20s" },
  { id: "lift", pin: 11, budget: { run_time: "12s", per: "60s" }, restore: "last" },
]);
const ids = actuators.map(({ id }) => id);
const pins = [5, 6, 7, 8, 9, 10, 11];

type Step =
  | {
      readonly do: "ask";
      readonly id: string;
      readonly set: "on" | "off" | "toggle";
      readonly cause: Cause;
      readonly forMs?: number;
      readonly alone: boolean;
    }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "online"; readonly online: boolean }
  | { readonly do: "refuse"; readonly pin: number; readonly how: Refusing | "not" }
  | { readonly do: "hang"; readonly pin: number; readonly hangs: boolean }
  | { readonly do: "clock"; readonly wallMs: number }
  | { readonly do: "stop"; readonly downMs: number }
  | { readonly do: "kill"; readonly downMs: number }
  | { readonly do: "powerCut"; readonly downMs: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .record(
        {
          id: fc.constantFrom(...ids),
          set: fc.constantFrom("on", "on", "off", "toggle"),
          cause: fc.constantFrom<Cause>("command", "rule", "local"),
          alone: fc.boolean(),
          forMs: fc.integer({ min: 1, max: 12_000 }),
        },
        { requiredKeys: ["id", "set", "cause", "alone"] },
      )
      .map((ask) => ({ do: "ask", ...ask }) as Step),
  },
  {
    weight: 8,
    arbitrary: fc
      .oneof(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 500, max: 15_000 }))
      .map((ms): Step => ({ do: "wait", ms })),
  },
  { weight: 2, arbitrary: fc.boolean().map((online): Step => ({ do: "online", online })) },
  {
    weight: 2,
    arbitrary: fc
      .record({
        pin: fc.constantFrom(...pins),
        how: fc.constantFrom<Refusing | "not">("stays", "moves", "not", "not", "not"),
      })
      .map((refuse): Step => ({ do: "refuse", ...refuse })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ pin: fc.constantFrom(...pins), hangs: fc.constantFrom(true, false, false) })
      .map((hang): Step => ({ do: "hang", ...hang })),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 0, max: 2_000_000_000_000 })
      .map((wallMs): Step => ({ do: "clock", wallMs })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 20_000 }).map((downMs): Step => ({ do: "stop", downMs })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 20_000 }).map((downMs): Step => ({ do: "kill", downMs })),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 20_000 }).map((downMs): Step => ({ do: "powerCut", downMs })),
  },
);

/** The same time as a kernel counts it that booted at `sinceMs`. */
function inBoot(clock: VirtualClock, boot: number, sinceMs: number): Clock {
  return {
    bootId: boot.toString(16).padStart(8, "0"),
    wallMs: () => clock.wallMs(),
    monotonicMs: () => clock.monotonicMs() - sinceMs,
    synced: () => clock.synced(),
    sleep: (durationMs, signal) => clock.sleep(durationMs, signal),
  };
}

/** A node's outputs through stops, kills, power cuts and relays that stick. */
class Model {
  readonly #clock = new VirtualClock({ wallMs: 0 });
  readonly #relays = new RelayBoard(this.#clock);
  readonly #inspector = new Inspector(this.#clock, this.#relays, actuators);
  readonly #memoryFile = inMemory();
  readonly #outcomes: Promise<Outcome>[] = [];
  #life = new AbortController();
  #boot = 1;
  #bootedMs = 0;
  #guard!: Guard;

  get violations(): readonly string[] {
    return this.#inspector.violations;
  }

  async start(writeMs: number): Promise<void> {
    // What a clock that was never set says may be anything.
    this.#clock.setSynced(false);
    this.#relays.writeMs = writeMs;
    const life = this.#life;
    this.#inspector.starting();
    const opening = openWired({
      actuators,
      gpio: this.#relays.gpio(life.signal),
      clock: inBoot(this.#clock, this.#boot, this.#bootedMs),
      memoryFile: {
        read: () => this.#memoryFile.read(),
        replace: async (text) => (life.signal.aborted ? undefined : this.#memoryFile.replace(text)),
      },
      onChange: (change) => !life.signal.aborted && this.#inspector.changed(change),
    });
    this.#guard = await this.#clock.run(opening);
    this.#inspector.started();
  }

  async take(next: Step): Promise<void> {
    switch (next.do) {
      case "ask":
        await this.#ask(next);
        break;
      case "wait":
        await this.#clock.advance(next.ms);
        break;
      case "online":
        this.#guard.setOnline(next.online);
        this.#inspector.setOnline(next.online);
        break;
      case "refuse":
        if (next.how === "not") this.#relays.refusing.delete(next.pin);
        else this.#relays.refusing.set(next.pin, next.how);
        this.#inspector.sticks(next.pin, next.how === "stays");
        break;
      case "hang":
        if (next.hangs) this.#relays.hang(next.pin);
        else this.#relays.release(next.pin);
        this.#inspector.hangs(next.pin, next.hangs);
        break;
      case "clock":
        this.#clock.setWall(next.wallMs);
        break;
      case "stop":
        await this.#clock.run(this.#guard.shutdown(), 60_000);
        await this.#die(next);
        break;
      case "kill":
      case "powerCut":
        await this.#die(next);
        break;
    }
    this.#inspector.inspect();
  }

  /** Everything asked was answered. */
  async finish(): Promise<void> {
    for (const pin of pins) this.#relays.release(pin);
    await this.#clock.advance(1_000);
    await this.#clock.run(Promise.all(this.#outcomes));
  }

  async #ask({ id, set, cause, forMs, alone }: Step & { readonly do: "ask" }): Promise<void> {
    if (alone) await this.#clock.advance(200);
    const before = [...this.#relays.loads];
    const attempts = this.#relays.attempts.length;
    this.#inspector.leased(id, undefined);
    const answer = this.#guard.request(id, { set, cause, ...(forMs !== undefined && { forMs }) });
    if (!alone) {
      this.#outcomes.push(answer);
      return;
    }
    const askedMs = this.#clock.monotonicMs();
    const { status } = await this.#clock.run(answer);
    if (status === "done" && set === "on" && forMs !== undefined) this.#inspector.leased(id, askedMs + forMs);
    if (status !== "rejected" || this.#relays.attempts.length > attempts) return;
    expect([...this.#relays.loads]).toEqual(before);
  }

  async #die({
    do: how,
    downMs,
  }: Step & {
    readonly do: "stop" | "kill" | "powerCut";
  }): Promise<void> {
    this.#life.abort();
    this.#inspector.died();
    this.#life = new AbortController();
    this.#outcomes.length = 0;
    if (how === "powerCut") {
      this.#boot++;
      this.#inspector.powerCut();
    }
    await this.#clock.advance(downMs);
    if (how === "powerCut") this.#bootedMs = this.#clock.monotonicMs();
    await this.start(this.#relays.writeMs);
  }
}

const RUNS = howMany(120, 1_800);

describe(`the guard under random commands, failures and restarts (SEED=${SEED})`, () => {
  test("whatever happens, nothing forbidden does", async () => {
    let steps = 0;
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 50, maxLength: 70 }),
      fc.constantFrom(0, 0, 5, 20),
      async (script, writeMs) => {
        const model = new Model();
        await model.start(writeMs);
        for (const next of script) await model.take(next);
        await model.finish();
        steps += script.length;
        expect(model.violations).toEqual([]);
      },
    );
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
    expect(steps).toBeGreaterThanOrEqual(50 * RUNS);
  });
});
