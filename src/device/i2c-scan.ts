import { type I2cBus, I2cError } from "./i2c.ts";

/** 7-bit addresses that the I2C specification (UM10204, 3.1.12) does not reserve. */
const FIRST_ADDRESS = 0x08;
const LAST_ADDRESS = 0x77;

/** A bus on which nothing ends is hung: to ask all addresses would take minutes. */
const MAX_TIMEOUTS = 3;

export interface FoundAddress {
  readonly address: number;
  /** A driver of the kernel has the chip; whether it is there is not asked. */
  readonly owned: boolean;
}

export interface BusScan {
  readonly found: readonly FoundAddress[];
  /** What kept the scan from its end. */
  readonly error?: string;
}

/**
 * Whether an address is asked by reading a byte rather than by the address alone: EEPROMs and clocks, of which some take
 * a write of nothing for a command (i2cdetect(8) does the same).
 */
function isRead(address: number): boolean {
  return (address >= 0x30 && address <= 0x37) || (address >= 0x50 && address <= 0x5f);
}

/** Asks every address of a bus whether a chip is there. Writes no byte to any. */
export async function scanBus(bus: I2cBus): Promise<BusScan> {
  const found: FoundAddress[] = [];
  let timeouts = 0;
  for (let address = FIRST_ADDRESS; address <= LAST_ADDRESS; address++) {
    const answer = await askAddress(bus, address);
    if (answer === "here" || answer === "owned") found.push({ address, owned: answer === "owned" });
    else if (answer !== "absent") {
      if (answer.fault !== "timeout" || ++timeouts === MAX_TIMEOUTS) return { found, error: answer.message };
    }
  }
  return { found };
}

/**
 * Whether a chip is at an address: it is, it is not, a driver of the kernel has it, or why that cannot be told. Writes no
 * byte.
 */
export async function askAddress(
  bus: I2cBus,
  address: number,
): Promise<"here" | "absent" | "owned" | I2cError> {
  const answer = await tryTransfer(bus, address, isRead(address) ? 1 : 0);
  // An adapter without the SMBus quick command.
  if (answer instanceof I2cError && answer.fault === "unsupported" && !isRead(address))
    return tryTransfer(bus, address, 1);
  return answer;
}

async function tryTransfer(bus: I2cBus, address: number, readLength: 0 | 1) {
  try {
    await bus.transfer(address, new Uint8Array(0), readLength);
    return "here";
  } catch (error) {
    if (!(error instanceof I2cError)) throw error;
    return error.fault === "absent" || error.fault === "owned" ? error.fault : error;
  }
}
