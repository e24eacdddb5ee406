import type { Problem } from "./problem.ts";
import type { Secrets } from "./secrets.ts";
import type { Range, Source } from "./source.ts";
import { keyRange, missingRange, type Node, nodeAt, type Path, valueRange } from "./tree.ts";

/** What validation found wrong, before anybody has looked up where in the file it stands. */
export interface Finding {
  readonly path: Path;
  /** Whether the key's name, its value, or the lack of it is to blame. */
  readonly target: "key" | "value" | "missing";
  readonly message: string;
  readonly suggestion?: string | undefined;
}

export function wrongValue(path: Path, message: string, suggestion?: string): Finding {
  return { path, target: "value", message, suggestion };
}

export function wrongKey(path: Path, message: string, suggestion?: string): Finding {
  return { path, target: "key", message, suggestion };
}

/** Places findings in the file, hides secrets, and leaves out what follows from a substitution that failed. */
export function placeFindings(
  findings: readonly Finding[],
  root: Node,
  source: Source,
  secrets: Secrets,
): Problem[] {
  return findings.flatMap(({ path, target, message, suggestion }) => {
    const { node } = nodeAt(root, path);
    const value = target === "value" && node.kind === "scalar" ? node : undefined;
    if (value?.unresolved) return [];
    const details = { suggestion: value?.secret ? undefined : suggestion, path };
    return [source.problem(rangeOf(root, path, target), secrets.hide(message), details)];
  });
}

function rangeOf(root: Node, path: Path, target: Finding["target"]): Range {
  const { node, found } = nodeAt(root, path);
  if (target === "missing" || !found) return missingRange(node);
  return target === "key" ? keyRange(node) : valueRange(node);
}

/** In the order of the file, each thing said once (an alias shows the same text in two places). */
export function inFileOrder(problems: readonly Problem[]): Problem[] {
  const said = new Set<string>();
  return [...problems]
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .filter(({ line, column, message }) => {
      const key = `${line}:${column}:${message}`;
      if (said.has(key)) return false;
      said.add(key);
      return true;
    });
}
