import { describe, expect, test } from "vitest";
import type { Change, Guard } from "../../src/actuators/guard.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { configured, inMemory, openWired, RelayBoard } from "./wiring.ts";

const WALL_MS = Date.UTC(2026, 10, 23);

async function wired(list: readonly Record<string, unknown>[], memoryFile = inMemory()) {
  const clock = new VirtualClock({ wallMs: WALL_MS });
  const relays = new RelayBoard(clock);
  const changes: Change[] = [];
  const open = (died?: AbortSignal) =>
    openWired({
      actuators: configured(list),
      gpio: relays.gpio(died),
      clock,
      memoryFile,
      onChange: (change) => changes.push(change),
    });
  const guard = await open();
  const command = (id: string, set: "on" | "off" | "toggle", forMs?: number, of: Guard = guard) =>
    of.request(id, { set, cause: "command", ...(forMs !== undefined && { forMs }) });
  return { clock, relays, changes, guard, open, command };
}

describe("opening", () => {
  test("the very first thing a line sees is its initial value", async () => {
    const { relays, changes } = await wired([
      { id: "lamp", pin: 5, initial: "on" },
      { id: "pump", pin: 6 },
    ]);
    expect(relays.attempts.map(({ pin, value }) => [pin, value])).toEqual([
      [6, 0],
      [5, 1],
    ]);
    expect(changes.map(({ id, state, cause }) => [id, state, cause])).toEqual([
      ["pump", "off", "boot"],
      ["lamp", "on", "boot"],
    ]);
  });

  test("an output that cannot be opened does not keep the others from working, and is tried again", async () => {
    const clock = new VirtualClock({ wallMs: WALL_MS });
    const relays = new RelayBoard(clock);
    relays.refusing.set(5, "stays");
    const actuators = configured([
      { id: "lamp", pin: 5 },
      { id: "pump", pin: 6 },
    ]);
    const guard = await openWired({ actuators, gpio: relays.gpio(), clock });
    expect(await guard.request("pump", { set: "on", cause: "command" })).toMatchObject({ status: "done" });
    const refused = await guard.request("lamp", { set: "on", cause: "command" });
    expect(refused).toMatchObject({ status: "rejected", refusal: "fault", state: undefined });
    relays.refusing.clear();
    await clock.advance(5_000);
    expect(await guard.request("lamp", { set: "on", cause: "command" })).toMatchObject({ status: "done" });
  });

  test("settings that contradict each other are refused", async () => {
    const both = [
      { id: "a", pin: 5, initial: "on", interlock: ["b"] },
      { id: "b", pin: 6, initial: "on" },
    ];
    await expect(wired(both)).rejects.toThrow("a: interlock: a and b are both on by their initial");
  });
});

describe("interlock", () => {
  const pair = [
    { id: "pump", pin: 5, interlock: ["valve"] },
    { id: "valve", pin: 6 },
  ];

  test("binds both sides, whichever lists the other", async () => {
    const { command } = await wired(pair);
    await command("valve", "on");
    expect(await command("pump", "on")).toEqual({
      status: "rejected",
      state: "off",
      refusal: "interlock",
      error: "interlock: valve is on or may be on",
    });
    await command("valve", "off");
    await command("pump", "on");
    expect(await command("valve", "on")).toMatchObject({ status: "rejected", refusal: "interlock" });
  });

  test("counts an actuator that is just being switched on", async () => {
    const { clock, relays, command } = await wired(pair);
    relays.writeMs = 50;
    const both = Promise.all([command("pump", "on"), command("valve", "on")]);
    const [pump, valve] = await clock.run(both);
    expect([pump.status, valve.status]).toEqual(["done", "rejected"]);
  });

  test("counts an actuator that nobody knows the state of", async () => {
    const { relays, command } = await wired(pair);
    relays.refusing.set(5, "moves");
    expect(await command("pump", "on")).toMatchObject({ status: "failed", error: "EIO" });
    expect(await command("valve", "on")).toMatchObject({ status: "rejected", refusal: "interlock" });
  });

  test("a fail-safe that switches on switches the other one off first", async () => {
    const { clock, relays, changes, guard, command } = await wired([
      { id: "vent", pin: 5, safe: "on", offline_after: "10s", interlock: ["heater"] },
      { id: "heater", pin: 6, min_on: "1h" },
    ]);
    guard.setOnline(true);
    await command("heater", "on");
    guard.setOnline(false);
    await clock.advance(10_000);
    expect(relays.attempts.slice(-2).map(({ pin, value }) => [pin, value])).toEqual([
      [6, 0],
      [5, 1],
    ]);
    expect(changes.slice(-2).map(({ id, state, cause }) => [id, state, cause])).toEqual([
      ["heater", "off", "interlock"],
      ["vent", "on", "failsafe"],
    ]);
  });
});

describe("min_off and min_on", () => {
  test("answer when it would be allowed, and keep their word", async () => {
    const { clock, command } = await wired([{ id: "fridge", pin: 5, min_off: "30s", min_on: "20s" }]);
    await clock.advance(10_000);
    expect(await command("fridge", "on")).toMatchObject({
      status: "rejected",
      error: "min_off: fridge may go on in 20s",
      allowedInMs: 20_000,
    });
    await clock.advance(20_000);
    expect(await command("fridge", "on")).toMatchObject({ status: "done" });
    expect(await command("fridge", "off")).toMatchObject({ refusal: "min_on", allowedInMs: 20_000 });
    await clock.advance(20_000);
    expect(await command("fridge", "off")).toMatchObject({ status: "done" });
  });

  test("a for shorter than min_on is refused rather than quietly prolonged", async () => {
    const { command } = await wired([{ id: "fridge", pin: 5, min_on: "20s" }]);
    expect(await command("fridge", "on", 5_000)).toMatchObject({ status: "rejected", refusal: "min_on" });
  });
});

describe("max_on and for", () => {
  test("an output goes off when it has been on for max_on, however often it is told on", async () => {
    const { clock, relays, changes, command } = await wired([{ id: "pump", pin: 5, max_on: "10m" }]);
    await command("pump", "on");
    await clock.advance(599_000);
    await command("pump", "on");
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(1_000);
    expect(relays.loads.get(5)).toBe(0);
    expect(changes.at(-1)).toMatchObject({
      state: "off",
      cause: "timer",
      at: { wallMs: WALL_MS + 600_000 },
    });
  });

  test("for ends in off, and a new request takes its place", async () => {
    const { clock, relays, command } = await wired([{ id: "pump", pin: 5 }]);
    await command("pump", "on", 10_000);
    await clock.advance(9_000);
    await command("pump", "on", 10_000);
    await clock.advance(9_999);
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(1);
    expect(relays.loads.get(5)).toBe(0);
    await command("pump", "on", 10_000);
    await command("pump", "on");
    await clock.advance(3_600_000);
    expect(relays.loads.get(5)).toBe(1);
  });

  test("max_on bounds for", async () => {
    const { clock, relays, command } = await wired([{ id: "pump", pin: 5, max_on: "5s" }]);
    await command("pump", "on", 60_000);
    await clock.advance(5_000);
    expect(relays.loads.get(5)).toBe(0);
  });

  test("for with off is refused", async () => {
    const { command } = await wired([{ id: "pump", pin: 5 }]);
    expect(await command("pump", "off", 1_000)).toMatchObject({ status: "rejected", refusal: "for" });
  });

  test("restarting the process gives an output that starts on no more time", async () => {
    const first = new AbortController();
    const memoryFile = inMemory();
    const list = [{ id: "pump", pin: 5, initial: "on", max_on: "60s" }];
    const { clock, relays, open } = await wired(list, memoryFile);
    await clock.advance(40_000);
    first.abort();
    await open();
    await clock.advance(19_999);
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(1);
    expect(relays.loads.get(5)).toBe(0);
  });

  test("an output whose time ran out while no process was there starts off", async () => {
    const clock = new VirtualClock({ wallMs: WALL_MS });
    const relays = new RelayBoard(clock);
    const memoryFile = inMemory();
    memoryFile.text = JSON.stringify({
      boot: clock.bootId,
      actuators: { pump: { onSinceMs: clock.monotonicMs() - 60_000 } },
    });
    const actuators = configured([{ id: "pump", pin: 5, initial: "on", max_on: "60s" }]);
    await openWired({ actuators, gpio: relays.gpio(), clock, memoryFile });
    expect(relays.attempts.map(({ value }) => value)).toEqual([0]);
    expect(JSON.parse(memoryFile.text).actuators).toEqual({ pump: {} });
  });

  test("a lease of another kernel boot and a damaged file count for nothing", async () => {
    for (const text of [
      '{"boot":"00000000","actuators":{"pump":{"onSinceMs":1}}}',
      "{",
      '{"boot":1}',
      "null",
    ]) {
      const clock = new VirtualClock({ wallMs: WALL_MS });
      const relays = new RelayBoard(clock);
      const memoryFile = inMemory();
      memoryFile.text = text;
      const actuators = configured([{ id: "pump", pin: 5, initial: "on", max_on: "50s" }]);
      await openWired({ actuators, gpio: relays.gpio(), clock, memoryFile });
      await clock.advance(49_000);
      expect(relays.loads.get(5)).toBe(1);
    }
  });
});

describe("offline_after", () => {
  const list = [{ id: "pump", pin: 5, offline_after: "5m" }];

  test("goes safe once, refuses anything else until the broker is back, and restores nothing", async () => {
    const { clock, relays, changes, guard, command } = await wired(list);
    guard.setOnline(true);
    await command("pump", "on");
    guard.setOnline(false);
    await clock.advance(299_999);
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(1);
    expect(relays.loads.get(5)).toBe(0);
    expect(changes.at(-1)).toMatchObject({ state: "off", cause: "failsafe" });
    const rule = await guard.request("pump", { set: "on", cause: "rule" });
    expect(rule).toMatchObject({ status: "rejected", refusal: "offline_after" });
    guard.setOnline(true);
    await clock.advance(1);
    expect(relays.loads.get(5)).toBe(0);
    expect(await command("pump", "on")).toMatchObject({ status: "done" });
  });

  test("acts in every long absence anew", async () => {
    const { clock, relays, guard, command } = await wired(list);
    for (let absence = 0; absence < 2; absence++) {
      guard.setOnline(true);
      await command("pump", "on");
      guard.setOnline(false);
      await clock.advance(300_000);
      expect(relays.loads.get(5)).toBe(0);
    }
  });

  test("a short absence changes nothing, and a long one is counted from its own beginning", async () => {
    const { clock, relays, guard, command } = await wired(list);
    guard.setOnline(true);
    await command("pump", "on");
    for (let round = 0; round < 3; round++) {
      guard.setOnline(false);
      await clock.advance(200_000);
      guard.setOnline(true);
    }
    expect(relays.loads.get(5)).toBe(1);
  });

  test("a node that never reaches its broker goes safe too", async () => {
    const { clock, relays } = await wired([{ id: "pump", pin: 5, initial: "on", offline_after: "5m" }]);
    await clock.advance(300_000);
    expect(relays.loads.get(5)).toBe(0);
  });
});

describe("a line that refuses", () => {
  test("is driven to its safe value until it obeys, and the request is answered at once", async () => {
    const { clock, relays, guard, command } = await wired([{ id: "pump", pin: 5 }]);
    relays.refusing.set(5, "moves");
    expect(await command("pump", "on")).toEqual({ status: "failed", state: undefined, error: "EIO" });
    await clock.advance(60_000);
    const attempts = relays.attempts.filter(({ value }) => value === 0).length;
    expect(attempts).toBeGreaterThan(10);
    expect(attempts).toBeLessThan(30);
    expect(await command("pump", "on")).toMatchObject({ refusal: "fault" });
    relays.refusing.clear();
    await clock.advance(5_000);
    expect(relays.loads.get(5)).toBe(0);
    expect(guard.state("pump")).toMatchObject({ value: "off" });
  });
});

describe("a line that hangs", () => {
  const list = [{ id: "pump", pin: 5 }];

  test("is given up after a deadline, and the request is answered", async () => {
    const { clock, relays, command, guard } = await wired(list);
    relays.hang(5);
    const answer = await clock.run(command("pump", "on"), 10_000);
    expect(answer).toMatchObject({ status: "failed", error: "the output of pump took longer than 2000 ms" });
    expect(guard.state("pump")?.value).toBeUndefined();
  });

  test("never takes a value later than a safer one: what hung comes first, and then safe", async () => {
    const { clock, relays, command } = await wired(list);
    relays.hang(5);
    await clock.run(command("pump", "on"), 10_000);
    await clock.advance(30_000);
    relays.release(5);
    await clock.advance(10_000);
    expect(relays.attempts.slice(-2).map(({ value }) => value)).toEqual([1, 0]);
    expect(relays.loads.get(5)).toBe(0);
    expect(await command("pump", "on")).toMatchObject({ status: "done" });
  });

  test("keeps neither the others from opening nor the node from stopping", async () => {
    const clock = new VirtualClock({ wallMs: WALL_MS });
    const relays = new RelayBoard(clock);
    relays.hang(5);
    const actuators = configured([
      { id: "lamp", pin: 5 },
      { id: "pump", pin: 6 },
    ]);
    const guard = await clock.run(openWired({ actuators, gpio: relays.gpio(), clock }), 10_000);
    expect(await guard.request("pump", { set: "on", cause: "command" })).toMatchObject({ status: "done" });
    await clock.run(guard.shutdown(), 30_000);
    expect(relays.loads.get(6)).toBe(0);
  });
});

describe("startup_delay", () => {
  const list = [{ id: "pump", pin: 5, initial: "on", startup_delay: "10s" }];

  test("holds back what the actuator begins with", async () => {
    const { clock, relays, changes } = await wired(list);
    expect(relays.loads.get(5)).toBe(0);
    await clock.advance(9_999);
    expect(relays.loads.get(5)).toBe(0);
    await clock.advance(1);
    expect(relays.loads.get(5)).toBe(1);
    expect(changes.at(-1)).toMatchObject({ state: "on", cause: "boot" });
  });

  test("refuses commands to go on, and one to go off is the last word", async () => {
    const { clock, relays, command } = await wired(list);
    await clock.advance(4_000);
    expect(await command("pump", "on")).toMatchObject({ refusal: "startup_delay", allowedInMs: 6_000 });
    await command("pump", "off");
    await clock.advance(60_000);
    expect(relays.loads.get(5)).toBe(0);
  });

  test("does not start what has been without a broker for too long", async () => {
    const { clock, relays } = await wired([{ ...list[0]!, offline_after: "5s" }]);
    await clock.advance(60_000);
    expect(relays.loads.get(5)).toBe(0);
  });
});

describe("restore: last", () => {
  const list = [{ id: "lamp", pin: 5, restore: "last" }];

  async function restarted(list: readonly Record<string, unknown>[], on: number | undefined, downMs: number) {
    const life = new AbortController();
    const first = await wired(list);
    const again = await first.open(life.signal);
    await first.command("lamp", "on", on, again);
    life.abort();
    await first.clock.advance(downMs);
    await first.clock.run(first.open());
    return first;
  }

  test("begins with what it was last told, after a kill", async () => {
    const { relays, changes } = await restarted(list, undefined, 1_000);
    expect(relays.loads.get(5)).toBe(1);
    expect(changes.at(-1)).toMatchObject({ state: "on", cause: "boot" });
  });

  test("a clean stop is not what it was told", async () => {
    const { clock, guard, command, open, relays } = await wired(list);
    await command("lamp", "on");
    await clock.run(guard.shutdown());
    expect(relays.loads.get(5)).toBe(0);
    await open();
    expect(relays.loads.get(5)).toBe(1);
  });

  test("goes on with the rest of a for, and not beyond it", async () => {
    const { clock, relays } = await restarted(list, 60_000, 20_000);
    await clock.advance(39_999);
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(1);
    expect(relays.loads.get(5)).toBe(0);
    const late = await restarted(list, 60_000, 61_000);
    expect(late.relays.loads.get(5)).toBe(0);
  });

  test("goes on with the rest of a for after a clean stop as well, and not beyond it", async () => {
    const { clock, guard, command, open, relays } = await wired(list);
    await command("lamp", "on", 60_000);
    await clock.run(guard.shutdown());
    await clock.advance(20_000);
    await open();
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(40_000);
    expect(relays.loads.get(5)).toBe(0);
  });

  test("gives no more of max_on after a clean stop", async () => {
    const { clock, guard, command, open, relays } = await wired([{ ...list[0], max_on: "10m" }]);
    await command("lamp", "on");
    await clock.advance(9 * 60_000);
    await clock.run(guard.shutdown());
    await open();
    await clock.advance(59_000);
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(1_000);
    expect(relays.loads.get(5)).toBe(0);
  });

  test.each([
    { what: "in another boot of the kernel", settings: {}, bootId: "another" },
    { what: "behind a startup_delay", settings: { startup_delay: "1s" }, bootId: undefined },
  ])("what was on for a time is not restored $what, however often the node restarts", async (given) => {
    const file = inMemory();
    const first = await wired([{ ...list[0], ...given.settings }], file);
    await first.command("lamp", "on");
    await first.clock.advance(2_000);
    await first.command("lamp", "on", 60_000);
    if (given.bootId !== undefined) {
      const text = (await file.read())!;
      await file.replace(text.replace(first.clock.bootId, given.bootId));
    }
    for (let restarts = 0; restarts < 3; restarts++) {
      const life = new AbortController();
      await first.clock.run(first.open(life.signal));
      await first.clock.advance(2_000);
      expect(first.relays.loads.get(5)).toBe(0);
      life.abort();
    }
  });

  test("a for that was running binds an output that starts on, too", async () => {
    const { clock, relays } = await restarted([{ id: "lamp", pin: 5, initial: "on" }], 60_000, 20_000);
    await clock.advance(40_000);
    expect(relays.loads.get(5)).toBe(0);
  });
});

describe("budget", () => {
  const list = [{ id: "pump", pin: 5, budget: { run_time: "1h", per: "1d" } }];
  const HOUR_MS = 3_600_000;

  test("ends what has run for long enough, refuses more, and frees it a day later", async () => {
    const { clock, relays, changes, command } = await wired(list);
    await command("pump", "on");
    await clock.advance(HOUR_MS);
    expect(relays.loads.get(5)).toBe(0);
    expect(changes.at(-1)).toMatchObject({ state: "off", cause: "timer" });
    const refused = await command("pump", "on");
    expect(refused).toMatchObject({ status: "rejected", refusal: "budget" });
    expect(refused.error).toContain("budget: its 1h in 1d are used up; pump may go on in ");
    await clock.advance(refused.allowedInMs! - 1);
    expect(await command("pump", "on")).toMatchObject({ refusal: "budget" });
    await clock.advance(1);
    expect(await command("pump", "on")).toMatchObject({ status: "done" });
  });

  test("is what is left of it after a restart", async () => {
    const life = new AbortController();
    const { clock, relays, command, open } = await wired(list);
    const guard = await open(life.signal);
    await command("pump", "on", undefined, guard);
    await clock.advance(HOUR_MS / 2);
    life.abort();
    const next = await open();
    await command("pump", "on", undefined, next);
    await clock.advance(HOUR_MS / 2 - 1_000);
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(1_000);
    expect(relays.loads.get(5)).toBe(0);
  });

  test("may be given as an energy", async () => {
    const { clock, relays, command } = await wired([
      { id: "pump", pin: 5, budget: { energy: 500, power: 1_000 } },
    ]);
    await command("pump", "on");
    await clock.advance(HOUR_MS / 2 - 1);
    expect(relays.loads.get(5)).toBe(1);
    await clock.advance(1);
    expect(relays.loads.get(5)).toBe(0);
  });
});

describe("shutdown", () => {
  test("turns everything safe, what is to be off first, and refuses what comes after", async () => {
    const { clock, relays, guard, command } = await wired([
      { id: "vent", pin: 5, safe: "on", interlock: ["heater"] },
      { id: "heater", pin: 6, min_on: "1h" },
    ]);
    await command("heater", "on");
    await clock.run(guard.shutdown());
    expect([...relays.loads]).toEqual([
      [5, 1],
      [6, 0],
    ]);
    expect(await command("heater", "on")).toMatchObject({ status: "rejected", refusal: "stopping" });
    await clock.advance(3_600_000);
    expect(relays.loads.get(6)).toBe(0);
  });

  test("tries again where a line refuses, and ends all the same", async () => {
    const { clock, relays, guard, command } = await wired([{ id: "pump", pin: 5 }]);
    await command("pump", "on");
    relays.refusing.set(5, "stays");
    await clock.run(guard.shutdown(), 1_000);
    expect(relays.attempts.filter(({ refused }) => refused)).toHaveLength(3);
  });
});

test("toggle turns the load over", async () => {
  const { command } = await wired([{ id: "lamp", pin: 5 }]);
  expect(await command("lamp", "toggle")).toMatchObject({ state: "on" });
  expect(await command("lamp", "toggle")).toMatchObject({ state: "off" });
});

test("a value that the kind cannot take and an actuator that is not there are refused", async () => {
  const { guard } = await wired([{ id: "lamp", pin: 5 }]);
  expect(await guard.request("lamp", { set: 42, cause: "command" })).toMatchObject({
    status: "rejected",
    error: "value: lamp cannot be 42",
  });
  expect(await guard.request("lam", { set: "on", cause: "command" })).toMatchObject({ refusal: "unknown" });
});
