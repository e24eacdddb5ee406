import type { Change } from "../../src/actuators/guard.ts";
import type { ActuatorSettings } from "../../src/actuators/rules.ts";
import type { Clock } from "../../src/device/clock.ts";
import type { RelayBoard } from "./wiring.ts";

/** How late an output may be: what queues before it, at the board's time per write. */
const SLACK_MS = 300;

/** The longest wait between two tries to make an output safe, with what queues before it. */
const RETRY_MS = 7_000 + SLACK_MS;

interface Load {
  readonly settings: ActuatorSettings;
  readonly pin: number;
  on: boolean;
  sinceMs: number;
  /** How long it was on when it last went off: another load may go off before this one's change is told. */
  wasOnMs: number;
  /** While it was on and a process was there that could have switched it off. */
  readonly ranMs: [fromMs: number, toMs: number][];
  /** When this process, or the kernel, first had the line: switching before that was not its doing. */
  knownSinceMs: number;
}

/** Watches the loads themselves and knows the rules only from the settings, not from the guard. */
export class Inspector {
  readonly violations: string[] = [];
  readonly #clock: Clock;
  readonly #relays: RelayBoard;
  readonly #loads: Map<number, Load>;
  #offlineSinceMs: number | undefined;
  #startedMs = 0;
  #booting = true;

  constructor(clock: Clock, relays: RelayBoard, actuators: readonly ActuatorSettings[]) {
    this.#clock = clock;
    this.#relays = relays;
    this.#loads = new Map(
      actuators.map((settings) => {
        const { pin } = settings as ActuatorSettings & { readonly pin: number };
        return [pin, { settings, pin, on: false, sinceMs: 0, wasOnMs: 0, knownSinceMs: 0, ranMs: [] }];
      }),
    );
    relays.onLoad = (pin, value) => this.#switched(this.#loads.get(pin as number)!, value === 1);
  }

  /** A process begins to open the outputs. */
  starting(): void {
    this.#booting = true;
    this.#startedMs = this.#clock.monotonicMs();
    this.#offlineSinceMs = this.#startedMs;
  }

  started(): void {
    this.#booting = false;
    for (const load of this.#loads.values()) if (load.on) this.#runs(load);
  }

  /** The process is gone; its outputs stay as they are. */
  died(): void {
    for (const load of this.#loads.values()) this.#rests(load);
  }

  hangs(pin: number, hangs: boolean): void {
    if (hangs) this.#hung.set(pin, Number.POSITIVE_INFINITY);
    else if (this.#hung.has(pin)) this.#hung.set(pin, this.#clock.monotonicMs() + RETRY_MS);
  }

  readonly #hung = new Map<number, number>();

  /** A relay that stays as it is: no process could switch it off meanwhile, so that time is nobody's budget. */
  sticks(pin: number, sticks: boolean): void {
    const load = this.#loads.get(pin)!;
    if (sticks) {
      this.#stuck.add(pin);
      this.#rests(load);
    } else if (this.#stuck.delete(pin) && load.on && !this.#booting) this.#runs(load);
  }

  readonly #stuck = new Set<number>();

  /** Was told to be on until then, by the last request; undefined: nobody knows any more. */
  leased(id: string, untilMs: number | undefined): void {
    if (untilMs === undefined) this.#leases.delete(id);
    else this.#leases.set(id, untilMs);
  }

  readonly #leases = new Map<string, number>();

  #runs(load: Load): void {
    if (this.#stuck.has(load.pin)) return;
    const nowMs = this.#clock.monotonicMs();
    if (load.ranMs.at(-1)?.[1] !== Number.POSITIVE_INFINITY)
      load.ranMs.push([nowMs, Number.POSITIVE_INFINITY]);
  }

  #rests(load: Load): void {
    const last = load.ranMs.at(-1);
    if (last?.[1] === Number.POSITIVE_INFINITY) last[1] = this.#clock.monotonicMs();
  }

  /** The kernel restarts: all lines let go. */
  powerCut(): void {
    for (const load of this.#loads.values()) {
      load.on = false;
      this.#rests(load);
      load.sinceMs = this.#clock.monotonicMs();
      this.#relays.loads.set(load.pin, 0);
    }
  }

  setOnline(online: boolean): void {
    this.#offlineSinceMs = online ? undefined : (this.#offlineSinceMs ?? this.#clock.monotonicMs());
  }

  /** Nobody but safety ends a load's `min_on`. */
  changed({ id, state, cause }: Change): void {
    const load = [...this.#loads.values()].find(({ settings }) => settings.id === id)!;
    const minOnMs = load.settings.min_on ?? 0;
    if (state !== "off" || !["command", "rule", "local"].includes(cause)) return;
    if (load.wasOnMs < minOnMs) this.#violation(`${id} went off by ${cause} after ${load.wasOnMs} ms`);
  }

  #switched(load: Load, on: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    const { id, min_off: minOffMs = 0, interlock } = load.settings;
    if (!on) load.wasOnMs = nowMs - load.sinceMs;
    if (on && !this.#booting && nowMs - load.sinceMs < minOffMs)
      this.#violation(`${id} went on after ${nowMs - load.sinceMs} ms off`);
    load.on = on;
    load.sinceMs = nowMs;
    if (on) this.#runs(load);
    else this.#rests(load);
    const startupDelayMs = load.settings.startup_delay;
    if (on && nowMs - this.#startedMs < startupDelayMs && !this.#excused(load.pin))
      this.#violation(`${id} went on ${nowMs - this.#startedMs} ms after the start`);
    for (const other of this.#loads.values()) {
      const bound = interlock.includes(other.settings.id) || other.settings.interlock.includes(id);
      if (bound && on && other.on) this.#violation(`${id} went on while ${other.settings.id} was on`);
    }
  }

  /** Whether anything is on that should have gone off by now. Called at rest. */
  inspect(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const load of this.#loads.values()) {
      const { id, max_on: maxOnMs, offline_after: offlineAfterMs, safe } = load.settings;
      const excused = this.#excused(load.pin) || nowMs - this.#startedMs < SLACK_MS;
      if (!load.on || excused) continue;
      this.#inspectBudget(load, nowMs);
      // An output that starts on by its own configuration owes nothing to what came before.
      const untilMs = load.settings.restore === "last" ? this.#leases.get(id) : undefined;
      if (untilMs !== undefined && nowMs > untilMs + SLACK_MS)
        this.#violation(`${id} is on ${nowMs - untilMs} ms after its for has ended`);
      if (maxOnMs !== undefined && nowMs - load.sinceMs > maxOnMs + SLACK_MS)
        this.#violation(`${id} has been on for ${nowMs - load.sinceMs} ms`);
      if (offlineAfterMs === undefined || this.#offlineSinceMs === undefined || safe === "on") continue;
      if (nowMs - this.#offlineSinceMs > offlineAfterMs + SLACK_MS)
        this.#violation(`${id} is on after ${nowMs - this.#offlineSinceMs} ms without a broker`);
    }
  }

  #inspectBudget({ settings, ranMs }: Load, nowMs: number): void {
    const { id, budget } = settings;
    if (budget?.run_time === undefined) return;
    const fromMs = nowMs - budget.per;
    const usedMs = ranMs.reduce(
      (sum, [from, to]) => sum + Math.max(0, Math.min(to, nowMs) - Math.max(from, fromMs)),
      0,
    );
    if (usedMs > budget.run_time + SLACK_MS) this.#violation(`${id} ran for ${usedMs} ms of ${budget.per}`);
  }

  #excused(pin: number): boolean {
    return this.#refusedLately(pin) || this.#clock.monotonicMs() <= (this.#hung.get(pin) ?? 0);
  }

  #refusedLately(pin: number): boolean {
    const last = this.#relays.attempts.findLast((attempt) => attempt.pin === pin);
    return last?.refused === true && this.#clock.monotonicMs() - last.atMs <= RETRY_MS;
  }

  #violation(what: string): void {
    this.violations.push(`at ${this.#clock.monotonicMs()} ms: ${what}`);
  }
}
