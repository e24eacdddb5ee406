/**
 * Says what the YAML parser found in words for somebody who does not know its inner names. `code` is the parser's
 * own (`yaml` package, ErrorCode); what is not listed keeps the parser's text.
 */
export function syntaxMessage(
  text: string,
  code: string,
  message: string,
  [start, end]: readonly [number, number],
): string {
  const found = text.slice(start, end);
  switch (code) {
    case "TAB_AS_INDENT":
      return "a tab cannot indent; use spaces";
    case "TAG_RESOLVE_FAILED":
      return `unknown tag ${found}; for a secret write \${env:NAME} or \${file:/path}`;
    case "BLOCK_AS_IMPLICIT_KEY":
      return "a value cannot go on with another key here; check the indentation, or quote text that holds a colon";
    case "MULTILINE_IMPLICIT_KEY":
      return "expected a key with a colon; check the indentation";
    case "BAD_SCALAR_START":
      return `text that starts with ${found} must be quoted`;
    case "UNEXPECTED_TOKEN":
      return unexpected(text, start, found);
    default:
      return inOtherWords(message);
  }
}

function unexpected(text: string, start: number, found: string): string {
  if (text.slice(start - 1, start + 1) === "${") return `text with \${...} must be quoted within { } and [ ]`;
  if (found.startsWith("- ") || found === "-") return "a list must start on its own line below its key";
  return `unexpected ${JSON.stringify(found.split("\n", 1)[0])}`;
}

/** For codes that stand for several things. */
function inOtherWords(message: string): string {
  const quote = /^Missing closing (.)quote/.exec(message)?.[1];
  if (quote) return `a text that begins with ${quote} does not end with ${quote}`;
  const bracket = /end with a ([}\]])/.exec(message)?.[1];
  if (bracket) return `a ${bracket === "}" ? "{" : "["} is not closed by a ${bracket}`;
  if (message.startsWith("Implicit map keys")) return "expected a key with a colon; check the indentation";
  if (message.startsWith("All mapping items")) return "keys of one map must start at the same column";
  const [line = message] = message.split("\n", 1);
  return line.charAt(0).toLowerCase() + line.slice(1);
}
