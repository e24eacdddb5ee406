import type { Edge } from "./gpio.ts";

/** Edges that wait for their reader; the kernel's buffer is as bounded (GPIO uAPI v2, `event_buffer_size`). */
const CAPACITY = 256;

/** A line's edges on their way to the one who asks for them. When it is full the oldest goes, and the next one says so. */
export class EdgeQueue {
  readonly #waiting: Edge[] = [];
  #lost = 0;
  #closed = false;
  #failure: Error | undefined;
  #consumed = false;
  #wake: () => void = () => {};

  push(edge: Edge): void {
    if (this.#closed) return;
    this.#waiting.push(edge);
    if (this.#waiting.length > CAPACITY) this.#lost += 1 + this.#waiting.shift()!.missed;
    this.#wake();
  }

  /** Ends the edges. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Ends the edges, after those that wait, with an error. */
  fail(failure: Error): void {
    this.#failure ??= failure;
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
        if (edge) yield { ...edge, missed: edge.missed + this.#takeLost() };
        else if (this.#failure) throw this.#failure;
        else await this.#next();
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#consumed = false;
    }
  }

  #takeLost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
