import * as v from "valibot";
import type { Request } from "./decision.ts";
import type { Change, Guard, Outcome } from "./guard.ts";
import type { ActuatorKind, ActuatorValue } from "./kind.ts";
import type { Rules } from "./rules.ts";

const options = {
  /** Actuators, by id; no groups. */
  members: v.pipe(v.array(v.string()), v.minLength(1, "a group needs members")),
};

/** Several actuators under one name. It is no output of its own: every member keeps its own rules. */
export const group: ActuatorKind<typeof options> = {
  name: "group",
  description: "Several actuators under one name",
  options,
  pins: () => [],
  accepts: () => true,
  open: () => Promise.reject(new Error("a group is no output")),
};

export interface GroupSettings {
  readonly id: string;
  readonly members: readonly string[];
}

/** What a group is: what all of its members are, else `on` while any runs. Undefined while that of a member is. */
export function groupState(guard: Guard, members: readonly string[]): ActuatorValue | undefined {
  const states = members.map((id) => guard.state(id)?.value);
  const [first] = states;
  if (states.includes(undefined)) return undefined;
  if (states.every((state) => state === first)) return first;
  return members.some((id, index) => guard.rules(id)?.isOn(states[index]!)) ? "on" : "off";
}

/** The change of a group that a change of one of its members makes; none where the group stays what it was. */
export function groupChanges(guard: Guard, groups: readonly GroupSettings[]): (change: Change) => Change[] {
  const told = new Map<string, ActuatorValue | undefined>();
  return (change) =>
    groups
      .filter(({ members }) => members.includes(change.id))
      .flatMap(({ id, members }) => {
        const state = groupState(guard, members);
        if (state === undefined || told.get(id) === state) return [];
        told.set(id, state);
        return [{ id, state, cause: change.cause, at: change.at }];
      });
}

/** The same guard with groups beside its actuators: a request to one goes to each member, all at once. */
export function withGroups(guard: Guard, groups: readonly GroupSettings[]): Guard {
  if (groups.length === 0) return guard;
  const byId = new Map(groups.map(({ id, members }) => [id, members]));

  async function request(members: readonly string[], asked: Request): Promise<Outcome> {
    const set = asked.set === "toggle" ? toggled(members) : asked.set;
    const outcomes = await Promise.all(members.map((id) => guard.request(id, { ...asked, set })));
    const state = groupState(guard, members);
    const refused = outcomes.flatMap((outcome, index) =>
      outcome.status === "done" ? [] : [{ ...outcome, id: members[index]! }],
    );
    const [first] = refused;
    if (!first) return { status: "done", state };
    const status = refused.some((outcome) => outcome.status === "failed") ? "failed" : "rejected";
    const waits = refused.map(({ allowedInMs }) => allowedInMs);
    return {
      status,
      state,
      error: refused.map(({ id, error }) => `${id}: ${error}`).join("; "),
      ...(status === "rejected" && first.refusal !== undefined && { refusal: first.refusal }),
      // Only where time is all that stands in any member's way.
      ...(waits.every((wait) => wait !== undefined) && { allowedInMs: Math.max(...(waits as number[])) }),
    };
  }

  /** All of them the same way: off where any runs. */
  function toggled(members: readonly string[]): ActuatorValue {
    const running = members.find((id) => {
      const value = guard.state(id)?.value;
      return value === undefined || guard.rules(id)?.isOn(value);
    });
    return running === undefined ? "on" : (guard.rules(running)?.off ?? "off");
  }

  return {
    ...guard,
    ids: [...guard.ids, ...byId.keys()],
    members: (id) => byId.get(id),
    rules(id) {
      const members = byId.get(id);
      return members ? groupRules(guard, id, members) : guard.rules(id);
    },
    state(id) {
      const members = byId.get(id);
      if (!members) return guard.state(id);
      const value = groupState(guard, members);
      const first = guard.state(members[0]!);
      return first && { ...first, value, target: value ?? first.target };
    },
    async request(id, asked) {
      const members = byId.get(id);
      return members ? request(members, asked) : guard.request(id, asked);
    },
  };
}

/** No value equals this one. */
const NONE = Number.NaN;

/** The first member's, as far as all agree: what is safe for a group is safe for each. */
function groupRules(guard: Guard, id: string, members: readonly string[]): Rules | undefined {
  const all = members.flatMap((member) => guard.rules(member) ?? []);
  const [first] = all;
  if (!first) return undefined;
  const safe = all.every((rules) => rules.safe === first.safe) ? first.safe : NONE;
  return { ...first, id, safe, accepts: (value) => all.every((rules) => rules.accepts(value)) };
}
