import type { Problem } from "./problem.ts";
import type { Source } from "./source.ts";

/**
 * Says what the YAML parser found in words for somebody who does not know its inner names. `reason` is the parser's
 * own (`js-yaml` package); what is not listed keeps its text. `position`: the offset at which it stopped.
 */
export function syntaxProblem(source: Source, reason: string, position: number): Problem {
  const { text } = source;
  const at = Math.min(position, Math.max(0, text.trimEnd().length - 1));
  const here = (message: string) => source.problem([at, at + 1], message);

  if (reason.startsWith("tab characters")) return here("a tab cannot indent; use spaces");
  if (text.slice(at - 1, at + 1) === "${") return here(`text with \${...} must be quoted within { } and [ ]`);
  const open = UNCLOSED.test(reason) ? innermostOpen(text.slice(0, position)) : undefined;
  if (open && reason.startsWith("missed comma")) {
    const end = open.sign === "{" ? "}" : "]";
    return here(
      `expected a comma, or the ${end} to the ${open.sign} of line ${source.position(open.at).line}`,
    );
  }
  if (open) return source.problem([open.at, open.at + 1], unclosed(open.sign));
  if (reason.startsWith("nesting exceeded")) return here("nested more than 64 levels deep");
  if (/^(expected ':'|can not read a block mapping entry)/.test(reason)) {
    const start = startOfLineBefore(text, at);
    const end = text.indexOf("\n", start);
    return source.problem(
      [start, end < 0 ? text.length : end],
      "expected a key with a colon; check the indentation",
    );
  }
  if (reason.startsWith("bad indentation")) return here(indentation(text, at));
  return here(reason);
}

function indentation(text: string, at: number): string {
  const found = text.charAt(at);
  if ("@`%".includes(found)) return `text that starts with ${found} must be quoted`;
  const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
  if (found === "-" && line.trim() !== "") return "a list must start on its own line below its key";
  if (found === ":")
    return "a value cannot go on with another key here; check the indentation, or quote text that holds a colon";
  if (line.trim() === "") return "keys of one map must start at the same column";
  return `unexpected ${JSON.stringify(text.slice(at).split("\n", 1)[0])}`;
}

/** The first character of the line that ends at or before `at`. */
function startOfLineBefore(text: string, at: number): number {
  const end = text.slice(0, at).trimEnd().length;
  const start = text.lastIndexOf("\n", end - 1) + 1;
  return start + (text.slice(start).search(/\S/) || 0);
}

/** What the parser says where a quote or a bracket is not closed before the file or its indentation ends. */
const UNCLOSED =
  /quoted scalar$|within a flow collection$|^deficient indentation|^missed comma|^expected valid JSON/;

function unclosed(sign: string): string {
  if (sign === "{") return "a { is not closed by a }";
  if (sign === "[") return "a [ is not closed by a ]";
  return `a text that begins with ${sign} does not end with ${sign}`;
}

/** The quote or bracket that is open at the end of `text`. A quote opens where a value may begin. */
function innermostOpen(text: string): { readonly sign: string; readonly at: number } | undefined {
  const open: { readonly sign: string; readonly at: number }[] = [];
  for (let at = 0; at < text.length; at++) {
    const sign = text.charAt(at);
    const before = text.charAt(at - 1);
    const within = open.at(-1)?.sign;
    if (within === '"' || within === "'") {
      if (within === '"' && sign === "\\") at++;
      else if (sign === within) open.pop();
    } else if (sign === "#" && /^\s?$/.test(before)) at = `${text}\n`.indexOf("\n", at);
    else if ((sign === '"' || sign === "'") && /^[\s[{,:]?$/.test(before)) open.push({ sign, at });
    else if (sign === "{" || sign === "[") open.push({ sign, at });
    else if (sign === "}" || sign === "]") open.pop();
  }
  return open.at(-1);
}
