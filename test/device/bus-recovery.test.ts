import { describe, expect, test } from "vitest";
import { withBusRecovery } from "../../src/device/bus-recovery.ts";
import { type I2cBus, I2cError, oneAtATime } from "../../src/device/i2c.ts";
import { seededRandom } from "../../src/device/random.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { SimGpio } from "../../src/device/sim/gpio.ts";

const [SCL, SDA, POWER] = [23, 24, 25] as const;
const CHIP = 0x76;

/** A bus whose one chip is stuck until `isMended` says that its lines did what frees it. */
function rig(fault: "stuck" | "absent", isMended: (gpio: SimGpio) => boolean) {
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
  const gpio = new SimGpio({ clock, random: seededRandom(1) });
  const bare: I2cBus = {
    name: "bus",
    async transfer(_address, _write, readLength) {
      if (!isMended(gpio)) throw new I2cError(fault, "no good");
      return new Uint8Array(readLength);
    },
    close: async () => {},
  };
  const settings = {
    recovery: { scl: SCL, sda: SDA },
    power: { pin: POWER, active_low: false, off_for: 1_000 },
  };
  const { bus, counts } = withBusRecovery(bare, settings, gpio, clock);
  const read = () => clock.run(bus.transfer(CHIP, Uint8Array.of(0xd0), 1));
  return { clock, gpio, counts, read };
}

const levels = (gpio: SimGpio, pin: number) => gpio.history(pin).map(([, level]) => level);
const clocks = (gpio: SimGpio) => levels(gpio, SCL).filter((level) => level === 0).length;

describe("a bus that does something about chips that fail", () => {
  test("frees a line that a chip holds by nine clocks and a stop, and says so with the failure", async () => {
    const { gpio, counts, read } = rig("stuck", (gpio) => clocks(gpio) >= 9);
    await expect(read()).rejects.toThrow(/^no good$/);
    await expect(read()).rejects.toMatchObject({
      fault: "stuck",
      message: expect.stringContaining("clocked nine times"),
    });
    expect(await read()).toHaveLength(1);
    expect(counts()).toEqual({ clock_pulses: 1, power_cycle: 0, failed: 0 });
    // A stop condition: SDA rises while SCL is high (UM10204, section 3.1.4).
    expect(levels(gpio, SDA).at(-1)).toBe(1);
    expect(levels(gpio, SCL).at(-1)).toBe(1);
  });

  test("switches a chip off and on that nothing else brings back, for as long as it is told to", async () => {
    const wasOff = (gpio: SimGpio) => levels(gpio, POWER).join("").includes("101");
    const { gpio, counts, read } = rig("absent", wasOff);
    for (let attempt = 1; attempt < 5; attempt++) await expect(read()).rejects.toThrow(/^no good$/);
    await expect(read()).rejects.toThrow("switched off and on");
    expect(await read()).toHaveLength(1);
    expect(counts()).toEqual({ clock_pulses: 0, power_cycle: 1, failed: 0 });
    const [off, on] = gpio.history(POWER).slice(-2);
    expect(on![0] - off![0]).toBe(1_000);
  });

  test("supplies its chips before it speaks to them", async () => {
    const { gpio, read } = rig("absent", (gpio) => gpio.level(POWER) === 1);
    expect(await read()).toHaveLength(1);
    expect(gpio.level(POWER)).toBe(1);
  });

  test("leaves a dead chip alone ever longer: at most a few power cycles an hour", async () => {
    const { clock, counts, read } = rig("absent", () => false);
    for (let second = 0; second < 3_600; second += 5) {
      await expect(read()).rejects.toThrow();
      await clock.advance(5_000);
    }
    expect(counts().power_cycle).toBeGreaterThan(2);
    expect(counts().power_cycle).toBeLessThan(9);
  });

  test("has the bus to itself while it clocks it: what was queued goes before, what comes later after", async () => {
    const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
    const gpio = new SimGpio({ clock, random: seededRandom(1) });
    const spans: { address: number; fromMs: number; toMs: number }[] = [];
    const wire: I2cBus = {
      name: "bus",
      async transfer(address, _write, readLength) {
        const fromMs = clock.monotonicMs();
        await clock.sleep(4);
        spans.push({ address, fromMs, toMs: clock.monotonicMs() });
        if (address === CHIP && clocks(gpio) < 9) throw new I2cError("stuck", "no good");
        return new Uint8Array(readLength);
      },
      close: async () => {},
    };
    const settings = { recovery: { scl: SCL, sda: SDA } };
    const { bus, counts } = withBusRecovery(oneAtATime(wire, clock, 1_000), settings, gpio, clock);
    const neighbour = async () => {
      for (let nth = 0; nth < 20; nth++) await bus.transfer(0x40, Uint8Array.of(0), 1);
    };
    const held = async () => {
      for (let nth = 0; nth < 3; nth++) await bus.transfer(CHIP, Uint8Array.of(0), 1).catch(() => {});
    };
    await clock.run(Promise.all([held(), neighbour(), neighbour(), neighbour()]));
    expect(counts().clock_pulses).toBe(1);
    const pulses = gpio.history(SCL).filter(([, level]) => level === 0);
    const [firstMs, lastMs] = [pulses[0]![0], gpio.history(SDA).at(-1)![0]];
    expect(lastMs - firstMs).toBeGreaterThanOrEqual(18);
    expect(spans.filter(({ fromMs, toMs }) => toMs > firstMs && fromMs < lastMs)).toEqual([]);
    expect(spans.filter(({ address, fromMs }) => address === 0x40 && fromMs >= lastMs)).not.toEqual([]);
    expect(spans).toHaveLength(63);
  });

  test("counts a remedy that could not be used, and goes on", async () => {
    const { gpio, counts, read } = rig("stuck", () => false);
    gpio.occupy(SCL, "spi0");
    await expect(read()).rejects.toThrow();
    await expect(read()).rejects.toThrow();
    expect(counts().failed).toBe(1);
  });
});
