/** Those who wait for a record that is not there yet. */
export class Waiters {
  #waiting: { readonly seq: number; readonly resolve: () => void }[] = [];

  /** Resolves when a number from `seq` on has come, or when `signal` aborts. */
  wait(seq: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const leave = () => {
        signal.removeEventListener("abort", leave);
        this.#waiting = this.#waiting.filter((waiter) => waiter !== own);
        resolve();
      };
      const own = { seq, resolve: leave };
      signal.addEventListener("abort", leave);
      this.#waiting.push(own);
    });
  }

  /** Records up to `seq` are there, though some may have to wait for others to go. */
  come(seq: number, mustWait: (seq: number) => boolean): void {
    for (const waiter of this.#waiting.filter((waiter) => waiter.seq <= seq && !mustWait(waiter.seq)))
      waiter.resolve();
  }
}
