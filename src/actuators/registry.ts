import { digitalOutput } from "./digital-output.ts";
import type { AnyActuatorKind } from "./kind.ts";

const kinds: readonly AnyActuatorKind[] = [digitalOutput];

/** Every kind of actuator by the name that a configuration uses. */
export const actuatorKinds: ReadonlyMap<string, AnyActuatorKind> = new Map(
  kinds.map((kind) => [kind.name, kind]),
);
