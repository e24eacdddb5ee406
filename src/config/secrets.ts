import { MAX_FOUND_LENGTH } from "./explain.ts";

/** What came from the environment or from files and must not show up in a message. */
export interface Secrets {
  /** The text with each secret replaced by what the file has in its place. */
  hide(text: string): string;
}

/** Secrets shorter than this could stand in a message by chance; they are hidden only where they are whole words. */
const MIN_TELLING_LENGTH = 4;

export function collectSecrets() {
  const shownAs = new Map<string, string>();
  return {
    add(value: string, written: string): void {
      if (value.trim() !== "") shownAs.set(value, written);
    },
    hide(text: string): string {
      const longestFirst = [...shownAs].sort(([a], [b]) => b.length - a.length);
      return longestFirst.reduce((hidden, [value, written]) => {
        return shapesOf(value).reduce((hidden, shape) => replaceSecret(hidden, shape, written), hidden);
      }, text);
    },
  };
}

/** The ways in which a message may repeat a text: whole, quoted, cut short. */
function shapesOf(value: string): string[] {
  const quoted = (text: string) => JSON.stringify(text).slice(1, -1);
  return [...new Set([value, quoted(value), quoted(value.slice(0, MAX_FOUND_LENGTH))])];
}

function replaceSecret(text: string, secret: string, written: string): string {
  if (secret.length >= MIN_TELLING_LENGTH) return text.replaceAll(secret, () => written);
  const literal = secret.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  return text.replace(new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, "gu"), () => written);
}
