/** Where the demo shows itself: lines that scroll, and on a terminal one status line that stays below them. */
export interface Screen {
  line(text: string): void;
  status(text: string): void;
  /** Takes the status line away. */
  end(): void;
}

export type Colour = "dim" | "bold" | "red" | "green" | "yellow" | "cyan";

const CODES: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

export type Paint = (colour: Colour, text: string) => string;

export function createPaint(color: boolean): Paint {
  return (colour, text) => (color ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text);
}

/** Back to the line's start, and the line emptied (ECMA-48: CR, EL). */
const CLEAR_LINE = "\r\u001b[2K";

export function createScreen(write: (text: string) => void, isTty: boolean): Screen {
  let shown = "";
  return {
    line(text) {
      write(isTty ? `${CLEAR_LINE}${text}\n${shown}` : `${text}\n`);
    },
    status(text) {
      if (!isTty || text === shown) return;
      shown = text;
      write(`${CLEAR_LINE}${text}`);
    },
    end() {
      if (isTty && shown !== "") write(CLEAR_LINE);
      shown = "";
    },
  };
}

/** A bar of `width` cells, of which `share` (0..1) are full. */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return "█".repeat(full) + "░".repeat(width - full);
}
