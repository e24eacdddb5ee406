/** One thing that is wrong with a configuration, and where. */
export interface Problem {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 units as editors do. */
  readonly column: number;
  /** How many columns the caret's underline covers; at least 1. */
  readonly width: number;
  readonly message: string;
  /** The line of the file, without its line break. */
  readonly sourceLine: string;
  /** The nearest valid name, where one is near. */
  readonly suggestion?: string;
  /** Where in the document: `["sensors", 0, "interval"]`. */
  readonly path: readonly (string | number)[];
}

/** Source lines longer than this (a JSON file on one line) are shown as a window around the caret. */
const MAX_SHOWN_COLUMNS = 120;
const COLUMNS_BEFORE_CARET = 40;

interface Paint {
  readonly strong: (text: string) => string;
  readonly error: (text: string) => string;
}

const PLAIN: Paint = { strong: (text) => text, error: (text) => text };
const ANSI: Paint = {
  strong: (text) => `\u001b[1m${text}\u001b[0m`,
  error: (text) => `\u001b[1;31m${text}\u001b[0m`,
};

/** Writes a problem as compilers do: position, message, the source line with a caret, the nearest valid name. */
export function formatProblem(
  problem: Problem,
  {
    color = false,
    severity = "error",
  }: { readonly color?: boolean; readonly severity?: "error" | "warning" } = {},
): string {
  const paint = color ? ANSI : PLAIN;
  const place = printable(`${problem.file}:${problem.line}:${problem.column}:`);
  const lines = [`${paint.strong(place)} ${paint.error(`${severity}:`)} ${printable(problem.message)}`];
  if (problem.sourceLine.trim() !== "") lines.push(...sourceWithCaret(problem, paint));
  if (problem.suggestion !== undefined) lines.push(`  did you mean "${printable(problem.suggestion)}"?`);
  return `${lines.join("\n")}\n`;
}

function sourceWithCaret(problem: Problem, paint: Paint): string[] {
  const { text, column } = windowAround(problem.sourceLine, problem.column);
  const number = String(problem.line);
  const before = text.slice(0, column - 1).replace(/[^\t]/g, " ");
  const width = Math.max(1, Math.min(problem.width, text.length - column + 1));
  const underline = `^${"~".repeat(width - 1)}`;
  return [
    `  ${number} | ${printable(text)}`,
    `  ${" ".repeat(number.length)} | ${before}${paint.error(underline)}`,
  ];
}

function windowAround(line: string, column: number): { text: string; column: number } {
  if (line.length <= MAX_SHOWN_COLUMNS) return { text: line, column };
  const from = Math.max(0, column - 1 - COLUMNS_BEFORE_CARET);
  return { text: line.slice(from, from + MAX_SHOWN_COLUMNS), column: column - from };
}

/** Control characters (tab apart), line separators and bidirectional overrides. */
const UNPRINTABLE = /(?!\t)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** Whatever a file holds, it must not reach a terminal as a command. */
function printable(text: string): string {
  return text.replace(UNPRINTABLE, "\ufffd");
}
