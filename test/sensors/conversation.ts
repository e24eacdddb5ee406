import { type I2cDevice, I2cError } from "../../src/device/i2c.ts";
import type { SpiDevice } from "../../src/device/spi.ts";

/** One exchange of a recorded conversation: what the driver must write, and what the chip then says. */
export type Exchange = readonly [write: readonly number[], answer: readonly number[] | I2cError];

/** A chip that says what was recorded, in order, and accepts nothing else. `done` tells whether all of it was said. */
export function conversation(
  address: number,
  exchanges: readonly Exchange[],
): I2cDevice & { done(): boolean } {
  const left = [...exchanges];
  return {
    address,
    done: () => left.length === 0,
    async exchange(write, readLength) {
      const [expected, answer] = left.shift() ?? [];
      const said = `[${write.join(" ")}] read ${readLength}`;
      if (!expected || !answer) throw new Error(`the conversation is over, but the driver said ${said}`);
      if (expected.join() !== write.join()) throw new Error(`expected [${expected.join(" ")}], got ${said}`);
      if (answer instanceof I2cError) throw answer;
      if (answer.length !== readLength) throw new Error(`${answer.length} bytes recorded for ${said}`);
      return Uint8Array.from(answer);
    },
  };
}

/** The same on SPI, where an answer comes with every byte that is sent. */
export function spiConversation(
  transfers: readonly (readonly [sent: readonly number[], received: readonly number[]])[],
): SpiDevice & { done(): boolean } {
  const left = [...transfers];
  return {
    name: "/dev/spidev0.0",
    done: () => left.length === 0,
    async transfer(bytes) {
      const [expected, answer] = left.shift() ?? [];
      if (!expected || !answer)
        throw new Error(`the conversation is over, but the driver sent [${bytes.join(" ")}]`);
      if (expected.join() !== bytes.join()) {
        throw new Error(`expected [${expected.join(" ")}], got [${bytes.join(" ")}]`);
      }
      return Uint8Array.from(answer);
    },
    close: async () => {},
  };
}
