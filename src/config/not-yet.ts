import { type Finding, wrongKey, wrongValue } from "./finding.ts";
import { type MapNode, type Node, nodeAt, without } from "./tree.ts";

interface Later {
  readonly path: readonly string[];
  /** The values that come later; absent: the key itself does. */
  readonly values?: readonly string[];
}

/** Keys of the public contract that this version does not build, and values of keys that it does build. */
const NOT_YET: readonly Later[] = [{ path: ["web"] }, { path: ["buffer", "when_full"], values: ["thin"] }];

/** Says of each such key or value that it comes later, and takes it out, so that nothing else is said of it. */
export function refuseNotYet(root: Node): { readonly root: Node; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  let rest = root;
  for (const later of NOT_YET) {
    const { node, found } = nodeAt(rest, later.path);
    if (!found) continue;
    const verdict = judge(later, node);
    if (verdict === undefined) continue;
    findings.push(verdict);
    rest = removeAt(rest, later.path);
  }
  return { root: rest, findings };
}

function judge({ path, values }: Later, node: Node): Finding | undefined {
  const name = path.join(".");
  if (values === undefined) return wrongKey(path, `${name}: not in this version yet`);
  const value = node.kind === "scalar" ? node.value : undefined;
  if (typeof value === "string" && values.includes(value)) {
    return wrongValue(path, `${name}: ${value}: not in this version yet`);
  }
  return undefined;
}

/** The same tree without the node at `path`. */
function removeAt(root: Node, path: readonly string[]): Node {
  const [key, ...below] = path;
  if (root.kind !== "map" || key === undefined) return root;
  const next = root.entries.get(key);
  if (!next || below.length === 0) return without(root, key);
  const replaced: MapNode = { ...root, entries: new Map(root.entries).set(key, removeAt(next, below)) };
  return replaced;
}
