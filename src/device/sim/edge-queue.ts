import type { Edge } from "../gpio.ts";

/** Edges that wait for their reader; the kernel's buffer is as bounded (uAPI v2 `event_buffer_size`). */
const CAPACITY = 256;

/** Like the kernel's event buffer: when it is full the oldest edge goes, and the next one read says how many did. */
export class EdgeQueue {
  readonly #waiting: Omit<Edge, "missed">[] = [];
  #missed = 0;
  #closed = false;
  #consumed = false;
  #wake: () => void = () => {};

  push(edge: Omit<Edge, "missed">): void {
    if (this.#closed) return;
    this.#waiting.push(edge);
    if (this.#waiting.length > CAPACITY) {
      this.#waiting.shift();
      this.#missed++;
    }
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *read(signal: AbortSignal): AsyncGenerator<Edge> {
    if (this.#consumed) throw new Error("a line's edges have one consumer only");
    this.#consumed = true;
    const wake = () => this.#wake();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted && !this.#closed) {
        const edge = this.#waiting.shift();
        if (edge) yield { ...edge, missed: this.#takeMissed() };
        else await this.#next();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#consumed = false;
    }
  }

  #takeMissed(): number {
    const missed = this.#missed;
    this.#missed = 0;
    return missed;
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
