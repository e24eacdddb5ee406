import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cover } from "../../src/actuators/cover.ts";
import type { ActuatorValue } from "../../src/actuators/kind.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { benchOf } from "./kinds.ts";
import { configuredOf, openWired, type Refusing, RelayBoard } from "./wiring.ts";

const OPEN = 5;
const CLOSE = 6;
const blind = { open_pin: OPEN, close_pin: CLOSE, open_time: 10_000, close_time: 8_000, dead_time: 500 };
const asYaml = { ...blind, open_time: "10s", close_time: "8s", dead_time: "500ms" };

async function opened() {
  const bench = benchOf();
  const output = await bench.open(cover, asYaml);
  const levels = () => [bench.sim.gpio.level(OPEN), bench.sim.gpio.level(CLOSE)];
  const go = (value: ActuatorValue) => bench.clock.run(output.set(value));
  return { ...bench, output, levels, go, position: () => output.details?.()["position"] };
}

describe("a cover", () => {
  test("runs to an end and a tenth beyond, and knows its position from then on", async () => {
    const { clock, levels, go, position, ends } = await opened();
    expect(position()).toBeUndefined();
    await go("open");
    expect(levels()).toEqual([1, 0]);
    await clock.advance(10_999);
    expect(levels()).toEqual([1, 0]);
    await clock.advance(1);
    expect(levels()).toEqual([0, 0]);
    expect(position()).toBe(100);
    expect(ends).toHaveLength(1);
  });

  test("goes to a position by the clock", async () => {
    const { clock, levels, go, position } = await opened();
    await go("open");
    await clock.advance(20_000);
    await go(25);
    expect(levels()).toEqual([0, 1]);
    await clock.advance(3_000);
    expect(position()).toBe(63);
    await clock.advance(3_000);
    expect([...levels(), position()]).toEqual([0, 0, 25]);
    await go(75);
    await clock.advance(5_000);
    expect([...levels(), position()]).toEqual([0, 0, 75]);
  });

  test("closes first where nobody knows its position", async () => {
    const { clock, levels, go, position } = await opened();
    await go(50);
    expect(levels()).toEqual([0, 1]);
    await clock.advance(8_800 + 500);
    expect(levels()).toEqual([1, 0]);
    await clock.advance(5_000);
    expect([...levels(), position()]).toEqual([0, 0, 50]);
  });

  test("turns round only after both relays have been off for the dead time", async () => {
    const { clock, sim, go } = await opened();
    await go("open");
    await clock.advance(2_000);
    await go("close");
    const offAtMs = sim.gpio.history(OPEN).at(-1)!;
    const onAtMs = sim.gpio.history(CLOSE).at(-1)!;
    expect([offAtMs[1], onAtMs[1]]).toEqual([0, 1]);
    expect(onAtMs[0] - offAtMs[0]).toBeGreaterThanOrEqual(500);
  });

  test("stops where it is told, and knows where that is", async () => {
    const { clock, levels, go, position } = await opened();
    await go("open");
    await clock.advance(20_000);
    await go("close");
    await clock.advance(2_000);
    await go("stop");
    expect([...levels(), position()]).toEqual([0, 0, 75]);
    await clock.advance(60_000);
    expect(position()).toBe(75);
  });
});

test("takes open, close, stop and percent, and nothing else", () => {
  const accepted = (["open", "close", "stop", 0, 50, 100, 101, -1, "on", "off"] as const).filter((value) =>
    cover.accepts(value, { ...blind, active_low: false }),
  );
  expect(accepted).toEqual(["open", "close", "stop", 0, 50, 100]);
});

test("behind the guard a cover rests as soon as it has arrived, and tells its position", async () => {
  const clock = new VirtualClock({ wallMs: 0 });
  const relays = new RelayBoard(clock);
  const told: unknown[] = [];
  const actuators = configuredOf(cover, [{ id: "blind", ...asYaml }]);
  const guard = await openWired({
    actuators,
    gpio: relays.gpio(),
    clock,
    onChange: ({ state, cause, details }) => told.push([state, cause, details]),
  });
  await clock.run(guard.request("blind", { set: "open", cause: "command" }));
  await clock.advance(11_500);
  await clock.run(guard.request("blind", { set: 0, cause: "command" }));
  await clock.run(guard.shutdown());
  expect(told).toEqual([
    ["stop", "boot", undefined],
    ["open", "command", undefined],
    ["stop", "timer", { position: 100 }],
    [0, "command", { position: 100 }],
    ["stop", "failsafe", { position: 100 }],
  ]);
  expect([...relays.loads.values()]).toEqual([0, 0]);
});

test("behind the guard a cover that is told to go where it is rests at once", async () => {
  const clock = new VirtualClock({ wallMs: 0 });
  const relays = new RelayBoard(clock);
  const actuators = configuredOf(cover, [{ id: "blind", ...asYaml }]);
  const guard = await openWired({ actuators, gpio: relays.gpio(), clock });
  const ask = (set: ActuatorValue) => clock.run(guard.request("blind", { set, cause: "command" }));
  await ask("open");
  await clock.advance(20_000);
  await ask(25);
  await clock.advance(20_000);
  expect(guard.state("blind")?.value).toBe("stop");
  await ask(25);
  await clock.advance(10);
  expect(guard.state("blind")?.value).toBe("stop");
});

type Step =
  | { readonly do: "set"; readonly value: ActuatorValue }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "refuse"; readonly pin: number; readonly how: Refusing | "not" | "hang" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .constantFrom<ActuatorValue>("open", "close", "stop", 0, 30, 70, 100)
      .map((value): Step => ({ do: "set", value })),
  },
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 9_000 }).map((ms): Step => ({ do: "wait", ms })) },
  {
    weight: 1,
    arbitrary: fc
      .record({
        pin: fc.constantFrom(OPEN, CLOSE),
        how: fc.constantFrom<Refusing | "not" | "hang">("stays", "moves", "hang", "not", "not"),
      })
      .map((refuse): Step => ({ do: "refuse", ...refuse })),
  },
);

test("whatever it is told and however its lines fail, a working relay is never told on while the other is on", {
  timeout: 60_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 20, maxLength: 40 }),
      fc.constantFrom(0, 30),
      async (script, writeMs) => {
        const clock = new VirtualClock({ wallMs: 0 });
        const relays = new RelayBoard(clock);
        relays.writeMs = writeMs;
        const wrong: string[] = [];
        let offSinceMs = clock.monotonicMs();
        relays.onLoad = (pin, value) => {
          const other = pin === OPEN ? CLOSE : OPEN;
          if (value === 1 && relays.loads.get(other) === 1) wrong.push(`${pin} on beside ${other}`);
          if (value === 1 && clock.monotonicMs() - offSinceMs < 500)
            wrong.push(`${pin} on ${clock.monotonicMs() - offSinceMs} ms after a change`);
          offSinceMs = clock.monotonicMs();
        };
        const guard = await clock.run(
          openWired({
            actuators: configuredOf(cover, [{ id: "blind", ...asYaml }]),
            gpio: relays.gpio(),
            clock,
          }),
        );
        for (const next of script) {
          if (next.do === "wait") await clock.advance(next.ms);
          else if (next.do === "set") void guard.request("blind", { set: next.value, cause: "command" });
          else if (next.how === "hang") relays.hang(next.pin);
          else {
            relays.release(next.pin);
            if (next.how === "not") relays.refusing.delete(next.pin);
            else relays.refusing.set(next.pin, next.how);
          }
        }
        for (const pin of [OPEN, CLOSE]) {
          relays.release(pin);
          relays.refusing.delete(pin);
        }
        await clock.advance(60_000);
        expect(wrong).toEqual([]);
        expect([relays.loads.get(OPEN), relays.loads.get(CLOSE)]).toEqual([0, 0]);
      },
    ),
    { numRuns: 300 },
  );
});
