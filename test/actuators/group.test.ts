import { expect, test } from "vitest";
import { groupChanges, withGroups } from "../../src/actuators/group.ts";
import type { Change, Guard } from "../../src/actuators/guard.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { configured, openWired, RelayBoard } from "./wiring.ts";

const LIGHTS = { id: "lights", members: ["north", "south"] };

async function grouped(more: Readonly<Record<string, unknown>> = {}) {
  const clock = new VirtualClock({ wallMs: 0 });
  const relays = new RelayBoard(clock);
  const changes: Change[] = [];
  const guard = await openWired({
    actuators: configured([
      { id: "north", pin: 5 },
      { id: "south", pin: 6, ...more },
      { id: "pump", pin: 7 },
    ]),
    gpio: relays.gpio(),
    clock,
    onChange: (change) => changes.push(change),
  });
  const whole: Guard = withGroups(guard, [LIGHTS]);
  const command = (id: string, set: "on" | "off" | "toggle") => whole.request(id, { set, cause: "command" });
  return { clock, relays, guard, whole, changes, command };
}

test("a group moves its members and nothing else", async () => {
  const { relays, whole, command } = await grouped();
  expect(await command("lights", "on")).toEqual({ status: "done", state: "on" });
  expect([...relays.loads]).toEqual([
    [5, 1],
    [6, 1],
    [7, 0],
  ]);
  expect(whole.ids).toEqual(["north", "south", "pump", "lights"]);
  expect(await command("pump", "on")).toMatchObject({ status: "done" });
});

test("toggle turns all of them the same way: off where any is on", async () => {
  const { relays, command } = await grouped();
  await command("north", "on");
  await command("lights", "toggle");
  expect([relays.loads.get(5), relays.loads.get(6)]).toEqual([0, 0]);
  await command("lights", "toggle");
  expect([relays.loads.get(5), relays.loads.get(6)]).toEqual([1, 1]);
});

test("a member's guard says no for the member, and the answer says which and why", async () => {
  const { relays, command } = await grouped({ interlock: ["pump"] });
  await command("pump", "on");
  expect(await command("lights", "on")).toEqual({
    status: "rejected",
    state: "on",
    refusal: "interlock",
    error: "south: interlock: pump is on or may be on",
  });
  expect([relays.loads.get(5), relays.loads.get(6)]).toEqual([1, 0]);
});

test("a member that does not obey makes the group failed, and its state unknown", async () => {
  const { relays, whole, command } = await grouped();
  relays.refusing.set(6, "stays");
  expect(await command("lights", "on")).toMatchObject({ status: "failed", error: "south: EIO" });
  expect(whole.state("lights")?.value).toBeUndefined();
});

test("a group changes when its members do, and is told once", async () => {
  const { guard, changes, command } = await grouped();
  const wholeOf = groupChanges(guard, [LIGHTS]);
  const told: unknown[] = [];
  const hear = () => {
    for (const change of changes.splice(0)) told.push(...wholeOf(change).map(({ id, state }) => [id, state]));
  };
  hear();
  await command("north", "on");
  hear();
  await command("south", "on");
  hear();
  await command("lights", "off");
  hear();
  expect(told).toEqual([
    ["lights", "off"],
    ["lights", "on"],
    ["lights", "off"],
  ]);
});

test("what is safe for a group is safe for each member, or nothing is", async () => {
  const same = await grouped();
  expect(same.whole.rules("lights")?.safe).toBe("off");
  const different = await grouped({ safe: "on" });
  expect(different.whole.rules("lights")?.safe).toBeNaN();
});
