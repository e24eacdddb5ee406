import type { Problem } from "./problem.ts";

/** Offsets into the source text: start, and the end behind the last character. */
export type Range = readonly [start: number, end: number];

/** A file's text, and where an offset of it is. */
export interface Source {
  readonly file: string;
  readonly text: string;
  /** 1-based line and column of an offset. */
  position(offset: number): { readonly line: number; readonly column: number };
  problem(range: Range, message: string, details?: ProblemDetails): Problem;
}

export interface ProblemDetails {
  readonly suggestion?: string | undefined;
  readonly path?: readonly (string | number)[];
}

export function openSource(file: string, text: string): Source {
  const lineStarts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lineStarts.push(at + 1);

  function position(offset: number) {
    const after = lineStarts.findIndex((start) => start > offset);
    const line = after < 0 ? lineStarts.length : after;
    return { line, column: offset - (lineStarts[line - 1] ?? 0) + 1 };
  }

  function lineOf(line: number): string {
    const start = lineStarts[line - 1] ?? 0;
    const end = text.indexOf("\n", start);
    return text.slice(start, end < 0 ? text.length : end).replace(/\r$/, "");
  }

  return {
    file,
    text,
    position,
    problem([start, end], message, { suggestion, path = [] } = {}) {
      const { line, column } = position(start);
      const sourceLine = withoutSecrets(lineOf(line));
      const marked = sourceLine.slice(column - 1, column - 1 + Math.max(1, end - start)).trimEnd();
      return {
        file,
        line,
        column,
        width: Math.max(1, marked.length),
        message,
        sourceLine,
        ...(suggestion === undefined ? {} : { suggestion }),
        path,
      };
    },
  };
}

/**
 * A key whose value is nobody's business, mistyped or not; and what stands before the @ of a URL. Every part has a
 * bound: a hostile line must not take minutes.
 */
const SECRETS =
  /(?<!\w)(\w{0,32}(?:pas{1,3}w?o?r?[dt]|pass|pwd|secret|token)\w{0,32}["']?\s{0,8}:\s{0,8})("(?:[^"\\]|\\.){0,512}"?|'[^']{0,512}'?|(?![\s"'#!])(?:\$\{[^}\n]{0,256}\}|,(?!\s)|[^,}\n]){1,512})|(:\/\/)([^\s"']{1,256})(?=@)/gi;

/** A source line as it may be shown: what is written there in clear is covered, at its length, so that the caret still fits. */
function withoutSecrets(line: string): string {
  return line.replace(SECRETS, (_whole, key?: string, value?: string, scheme?: string, login?: string) =>
    scheme === undefined ? key + covered(value!) : scheme + "*".repeat(login!.length),
  );
}

/** What is only named (`${env:NAME}`) may be shown. */
function covered(value: string): string {
  return value.replace(/\$\{[^}]*\}|[^\s"']/g, (part) => (part.startsWith("${") ? part : "*"));
}
