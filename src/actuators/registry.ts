import type { AnyActuatorKind } from "./kind.ts";

/** Each kind is a part of its own: a node loads those that its configuration names. */
const builtIn: Readonly<Record<string, () => Promise<AnyActuatorKind>>> = {
  digital_output: async () => (await import("./digital-output.ts")).digitalOutput,
  pwm: async () => (await import("./pwm.ts")).pwm,
  servo: async () => (await import("./servo.ts")).servo,
  dac: async () => (await import("./dac.ts")).dac,
  relay_board: async () => (await import("./relay-board.ts")).relayBoard,
  cover: async () => (await import("./cover.ts")).cover,
  stepper: async () => (await import("./stepper.ts")).stepper,
  group: async () => (await import("./group.ts")).group,
};

/** What a configuration may call an actuator's kind. */
export const actuatorKindNames: readonly string[] = Object.keys(builtIn);

/** The kinds of these names, by name; a name that is none is left out. */
export async function loadActuatorKinds(
  names: Iterable<string> = actuatorKindNames,
): Promise<ReadonlyMap<string, AnyActuatorKind>> {
  const known = [...new Set(names)].filter((name) => Object.hasOwn(builtIn, name));
  return new Map(await Promise.all(known.map(async (name) => [name, await builtIn[name]!()] as const)));
}
