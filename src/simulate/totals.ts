import type { ActuatorValue } from "../actuators/kind.ts";
import type { DryRun, Happening } from "./dry-run.ts";

/** A stretch of time in which an actuator had one value. */
export interface Spell {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly state: ActuatorValue;
}

/** What one actuator did in all. */
export interface Total {
  readonly actuator: string;
  /** How often it went from off to on. */
  readonly switchedOn: number;
  readonly onMs: number;
  readonly longestOnMs: number;
  readonly spells: readonly Spell[];
}

export type IsOn = (actuator: string, value: ActuatorValue) => boolean;

export function totalsOf(run: DryRun, actuators: readonly string[], isOn: IsOn): readonly Total[] {
  return actuators.map((actuator) => {
    const spells = spellsOf(run, actuator);
    let switchedOn = 0;
    let onMs = 0;
    let longestOnMs = 0;
    let stretchMs = 0;
    for (const { fromMs, untilMs, state } of spells) {
      const on = isOn(actuator, state);
      if (on && stretchMs === 0) switchedOn++;
      stretchMs = on ? stretchMs + untilMs - fromMs : 0;
      if (on) onMs += untilMs - fromMs;
      longestOnMs = Math.max(longestOnMs, stretchMs);
    }
    return { actuator, switchedOn, onMs, longestOnMs, spells };
  });
}

function spellsOf({ happenings, endWallMs }: DryRun, actuator: string): readonly Spell[] {
  const changes = happenings.filter(({ kind, subject }) => kind === "actuator" && subject === actuator);
  return changes.map(({ wallMs, state }, at) => ({
    fromMs: wallMs,
    untilMs: changes[at + 1]?.wallMs ?? endWallMs,
    state: state as ActuatorValue,
  }));
}

/** The times without a broker. */
export function outagesOf({ happenings, endWallMs }: DryRun): readonly (readonly [number, number])[] {
  const broker = happenings.filter(({ kind }) => kind === "broker");
  return broker.flatMap(({ state, wallMs }: Happening, at) =>
    state === "offline" ? [[wallMs, broker[at + 1]?.wallMs ?? endWallMs] as const] : [],
  );
}
