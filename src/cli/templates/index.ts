import { energy } from "./energy.ts";
import { greenhouse } from "./greenhouse.ts";
import { pump } from "./pump.ts";
import { weather } from "./weather.ts";

/** Starter configurations by the name that `fieldpost init --template` takes. */
export const templates: ReadonlyMap<string, string> = new Map(
  Object.entries({ greenhouse, weather, pump, energy }),
);
