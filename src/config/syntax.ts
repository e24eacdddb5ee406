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
    case "BAD_INDENT":
      return `${lowerFirst(message)}; check the indentation`;
    default:
      return lowerFirst(message);
  }
}

function unexpected(text: string, start: number, found: string): string {
  if (text.slice(start - 1, start + 1) === "${") return `text with \${...} must be quoted within { } and [ ]`;
  if (found.startsWith("- ") || found === "-") return "a list must start on its own line below its key";
  return `unexpected ${JSON.stringify(found.split("\n", 1)[0])}`;
}

function lowerFirst(message: string): string {
  const line = message.split("\n", 1)[0] ?? message;
  return line.charAt(0).toLowerCase() + line.slice(1);
}
