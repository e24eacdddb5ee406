/** Cuts a stream of bytes into lines, and holds no more of one than `maxBytes`. */
export class Lines {
  readonly #maxBytes: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` completes; undefined: one is too long, and nothing more can be made of the stream. */
  push(chunk: Buffer): string[] | undefined {
    const lines: string[] = [];
    for (let rest = chunk; rest.length > 0; ) {
      const end = rest.indexOf(0x0a);
      const piece = end < 0 ? rest : rest.subarray(0, end);
      this.#bytes += piece.length;
      if (this.#bytes >= this.#maxBytes) return undefined;
      this.#pieces.push(piece);
      if (end < 0) break;
      lines.push(Buffer.concat(this.#pieces).toString());
      this.#pieces = [];
      this.#bytes = 0;
      rest = rest.subarray(end + 1);
    }
    return lines;
  }
}
