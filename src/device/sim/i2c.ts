import type { Clock } from "../clock.ts";
import { formatAddress, type I2cBus, I2cError, type I2cFault } from "../i2c.ts";
import type { Random } from "../random.ts";
import { Nack, type SimChip } from "./chip.ts";
import { flipOneBit } from "./noise.ts";

/**
 * - `no_ack`: nobody acknowledges
 * - `timeout`: the adapter gives up after a second
 * - `stuck`: a line is held low
 * - `bad_crc`: noise flips a bit of what is read
 * - `short_read`: the adapter gets one byte less than asked for
 * - `hang`: the transfer ends only when the fault is cleared
 */
export type SimI2cFault = "no_ack" | "timeout" | "stuck" | "bad_crc" | "short_read" | "hang";

export interface SimI2cFaultPlan {
  readonly fault: SimI2cFault;
  /** How many transfers it strikes. Default: until it is cleared. */
  readonly transfers?: number;
  /** Chance that it strikes a transfer, 0..1. Default: 1. */
  readonly probability?: number;
}

/** One transfer as it went over the wire. */
export interface SimI2cTransfer {
  readonly monotonicMs: number;
  readonly address: number;
  readonly write: Uint8Array;
  /** What the master got; undefined where it got nothing. */
  readonly read: Uint8Array | undefined;
  readonly fault: I2cFault | undefined;
}

export interface SimI2cOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Clock rate. Default: 100,000. */
  readonly hz?: number;
}

/** A transfer under way. */
interface Attempt {
  readonly address: number;
  readonly write: Uint8Array;
  readonly readLength: number;
  corruptedBy: Attempt | undefined;
}

interface ActiveFault {
  readonly fault: SimI2cFault;
  readonly probability: number;
  readonly cleared: AbortController;
  transfersLeft: number;
}

/** Transfers that the log keeps: the latest. */
const MAX_LOG = 1_000;

/** What a Linux adapter driver waits for a transfer by default (`i2c_adapter.timeout`). */
const ADAPTER_TIMEOUT_MS = 1_000;

/**
 * A bus as strict as wire: transfers take time, and two at once corrupt each other, which fails both of them. Wrap it
 * in `oneAtATime` to use it; use it bare to prove that somebody did not.
 */
export class SimI2cBus implements I2cBus {
  readonly name: string;
  /** The last transfers, oldest first. */
  readonly log: SimI2cTransfer[] = [];
  /** How many transfers ran into another one. */
  overlaps = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #hz: number;
  readonly #chips = new Map<number, SimChip>();
  readonly #faults = new Map<number | "all", ActiveFault>();
  #current: Attempt | undefined;

  constructor({ name, clock, random, hz = 100_000 }: SimI2cOptions) {
    this.name = name;
    this.#clock = clock;
    this.#random = random;
    this.#hz = hz;
  }

  attach(address: number, chip: SimChip): void {
    this.#chips.set(address, chip);
  }

  detach(address: number): void {
    this.#chips.delete(address);
  }

  chip(address: number): SimChip | undefined {
    return this.#chips.get(address);
  }

  /**
   * Makes transfers with an address, or all of them, fail. Replaces the fault that was there. The signal aborts when this
   * one is cleared.
   */
  fail(at: number | "all", { fault, transfers, probability = 1 }: SimI2cFaultPlan): AbortSignal {
    this.clear(at);
    const cleared = new AbortController();
    this.#faults.set(at, {
      fault,
      probability,
      cleared,
      transfersLeft: transfers ?? Number.POSITIVE_INFINITY,
    });
    return cleared.signal;
  }

  /** Mends an address, or what {@link fail} was told of all, and lets go of a hanging transfer. */
  clear(at: number | "all"): void {
    this.#faults.get(at)?.cleared.abort();
    this.#faults.delete(at);
  }

  async transfer(address: number, write: Uint8Array, readLength: number): Promise<Uint8Array> {
    const transfer: Attempt = { address, write: write.slice(), readLength, corruptedBy: undefined };
    if (this.#current) throw this.#collide(this.#current, transfer);
    this.#current = transfer;
    const startMs = this.#clock.monotonicMs();
    const record = (read: Uint8Array | undefined, fault: I2cFault | undefined) =>
      this.#record({ monotonicMs: startMs, address, write: transfer.write, read, fault });
    try {
      const read = await this.#carry(transfer);
      record(read, undefined);
      return read;
    } catch (error) {
      record(undefined, error instanceof I2cError ? error.fault : "io");
      throw error;
    } finally {
      this.#current = undefined;
    }
  }

  async close(): Promise<void> {
    for (const at of [...this.#faults.keys()]) this.clear(at);
  }

  #collide(current: Attempt, intruder: Attempt): I2cError {
    this.overlaps++;
    current.corruptedBy = intruder;
    return new I2cError("io", `${this.name}: "${describe(intruder)}" ran into "${describe(current)}"`);
  }

  async #carry(transfer: Attempt): Promise<Uint8Array> {
    const { address, write, readLength } = transfer;
    const strike = this.#strike(address, readLength);
    await this.#clock.sleep(this.#wireTimeMs(write.length, readLength));
    if (strike) await this.#lose(strike, address);
    if (transfer.corruptedBy) {
      const [victim, intruder] = [describe(transfer), describe(transfer.corruptedBy)];
      throw new I2cError("io", `${this.name}: "${victim}" was corrupted by "${intruder}"`);
    }
    const bytes = this.#answer(address, write, readLength);
    if (strike?.fault === "short_read") {
      throw new I2cError("short_read", `${this.#at(address)}: got ${readLength - 1} of ${readLength} bytes`);
    }
    if (strike?.fault === "bad_crc") flipOneBit(bytes, this.#random);
    return bytes;
  }

  /** The fault that strikes this transfer, if any does. What garbles a read spares a transfer that reads nothing. */
  #strike(address: number, readLength: number): ActiveFault | undefined {
    const active = this.#faults.get(address) ?? this.#faults.get("all");
    if (!active || active.transfersLeft <= 0) return undefined;
    if (readLength === 0 && (active.fault === "bad_crc" || active.fault === "short_read")) return undefined;
    if (active.probability < 1 && this.#random() >= active.probability) return undefined;
    active.transfersLeft--;
    return active;
  }

  /** Fails the transfer where the fault keeps it from reaching the chip. */
  async #lose({ fault, cleared }: ActiveFault, address: number): Promise<void> {
    switch (fault) {
      case "no_ack":
        throw new I2cError("absent", `${this.#at(address)}: not acknowledged`);
      case "stuck":
        throw new I2cError("stuck", `${this.#at(address)}: SDA is held low`);
      case "timeout":
        await this.#clock.sleep(ADAPTER_TIMEOUT_MS);
        throw new I2cError("timeout", `${this.#at(address)}: timed out`);
      case "hang":
        await aborted(cleared.signal);
        throw new I2cError("timeout", `${this.#at(address)}: hung`);
      default:
    }
  }

  #answer(address: number, write: Uint8Array, readLength: number): Uint8Array {
    const chip = this.#chips.get(address);
    if (!chip) throw new I2cError("absent", `${this.#at(address)}: not acknowledged`);
    try {
      if (write.length > 0 || readLength === 0) chip.write(write);
      return readLength > 0 ? chip.read(readLength).slice(0, readLength) : new Uint8Array();
    } catch (error) {
      if (!(error instanceof Nack)) throw error;
      throw new I2cError("absent", `${this.#at(address)}: not acknowledged`, { cause: error });
    }
  }

  /** Nine bits a byte, an address in front of each direction, start and stop (UM10204, section 3.1). */
  #wireTimeMs(writeLength: number, readLength: number): number {
    const bytes = (writeLength > 0 ? 1 + writeLength : 0) + (readLength > 0 ? 1 + readLength : 0);
    return ((9 * Math.max(1, bytes) + 2) * 1_000) / this.#hz;
  }

  #at(address: number): string {
    return `${this.name} ${formatAddress(address)}`;
  }

  #record(transfer: SimI2cTransfer): void {
    this.log.push(transfer);
    if (this.log.length > MAX_LOG) this.log.shift();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function describe({ address, write, readLength }: Attempt): string {
  const bytes = [...write].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${formatAddress(address)} write [${bytes}] read ${readLength}`;
}
