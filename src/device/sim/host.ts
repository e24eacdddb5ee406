import type { Clock } from "../clock.ts";
import type { Host } from "../host.ts";
import type { World } from "./world.ts";

const TOTAL_MEMORY_BYTES = 1024 ** 3;
const TOTAL_DISK_BYTES = 16 * 1000 ** 3;

/** A Raspberry Pi that is well. Its quantities come from the world, at the place `host`. */
export class SimHost implements Host {
  readonly model = "Raspberry Pi 4 Model B Rev 1.4 (simulated)";
  readonly revision = "c03114";
  readonly serial = "100000005eed0001";
  readonly hostname = "simulated";
  readonly machineId = "5eed00015eed00015eed00015eed0001";
  readonly #world: World;
  readonly #clock: Clock;

  constructor({ world, clock }: { readonly world: World; readonly clock: Clock }) {
    this.#world = world;
    this.#clock = clock;
  }

  uptimeMs(): number {
    return this.#clock.monotonicMs();
  }

  async cpuTemperature(): Promise<number> {
    return this.#world.get("host", "cpu_temperature");
  }

  async load1(): Promise<number> {
    return Math.max(0, this.#world.get("host", "load1"));
  }

  async memory(): Promise<{ totalBytes: number; availableBytes: number }> {
    return this.#space(TOTAL_MEMORY_BYTES, "memory_available");
  }

  async disk(): Promise<{ totalBytes: number; availableBytes: number }> {
    return this.#space(TOTAL_DISK_BYTES, "disk_available");
  }

  async signalDbm(): Promise<number> {
    return Math.round(this.#world.get("host", "signal"));
  }

  async throttled(): Promise<number> {
    return this.#world.get("host", "throttled");
  }

  #space(totalBytes: number, quantity: string): { totalBytes: number; availableBytes: number } {
    const bytes = Math.round(this.#world.get("host", quantity));
    return { totalBytes, availableBytes: Math.min(totalBytes, Math.max(0, bytes)) };
  }
}
