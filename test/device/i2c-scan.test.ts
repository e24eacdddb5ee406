import { describe, expect, test } from "vitest";
import { type I2cBus, I2cError, type I2cFault } from "../../src/device/i2c.ts";
import { scanBus } from "../../src/device/i2c-scan.ts";

/** A bus that remembers what it was asked, and answers each address as told; the others are absent. */
function bus(
  answers: Readonly<Record<number, "here" | I2cFault>>,
  otherwise: I2cFault = "absent",
  quick = true,
) {
  const asked: { readonly address: number; readonly written: number; readonly read: number }[] = [];
  const wire: I2cBus = {
    name: "bus",
    async transfer(address, write, read) {
      asked.push({ address, written: write.length, read });
      if (!quick && read === 0) throw new I2cError("unsupported", "no quick command");
      const answer = answers[address] ?? otherwise;
      if (answer !== "here") throw new I2cError(answer, `0x${address.toString(16)}: ${answer}`);
      return new Uint8Array(read);
    },
    close: async () => {},
  };
  return { wire, asked };
}

describe("a scan of an I2C bus", () => {
  test("asks every address that is not reserved, once, and writes no byte to any", async () => {
    const { wire, asked } = bus({});
    expect(await scanBus(wire)).toEqual({ found: [] });
    expect(asked.map(({ address }) => address)).toEqual(Array.from({ length: 112 }, (_, nth) => nth + 8));
    expect(asked.every(({ written }) => written === 0)).toBe(true);
  });

  test("reads a byte where an EEPROM or a clock may be, which could take a bare address for a command", async () => {
    const { wire, asked } = bus({});
    await scanBus(wire);
    const read = asked.filter(({ read }) => read === 1).map(({ address }) => address);
    const range = (first: number, count: number) => Array.from({ length: count }, (_, nth) => first + nth);
    expect(read).toEqual([...range(0x30, 8), ...range(0x50, 16)]);
  });

  test("tells chips that answer from those that a kernel driver has", async () => {
    const { wire } = bus({ 118: "here", 72: "owned", 80: "here" });
    expect((await scanBus(wire)).found).toEqual([
      { address: 0x48, owned: true },
      { address: 0x50, owned: false },
      { address: 0x76, owned: false },
    ]);
  });

  test("reads everywhere where the adapter has no quick command", async () => {
    const { wire } = bus({ 72: "owned", 118: "here" }, "absent", false);
    expect(await scanBus(wire)).toEqual({
      found: [
        { address: 0x48, owned: true },
        { address: 0x76, owned: false },
      ],
    });
  });

  test.each([
    ["hung", "timeout", 3],
    ["held low", "stuck", 1],
    ["not to be opened", "no_bus", 1],
  ] as const)("ends soon, with the reason, on a bus that is %s", async (_name, fault, count) => {
    const { wire, asked } = bus({}, fault);
    expect((await scanBus(wire)).error).toContain(fault);
    expect(asked).toHaveLength(count);
  });
});
