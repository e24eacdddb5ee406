import { type Finding, wrongKey } from "./finding.ts";
import { type Node, nodeAt, without } from "./tree.ts";

/** Keys of the public contract that this version does not build. */
const NOT_YET: readonly string[] = ["web"];

/** Says of each such key that it comes later, and takes it out, so that nothing else is said of it. */
export function refuseNotYet(root: Node): { readonly root: Node; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  let rest = root;
  for (const key of NOT_YET) {
    if (rest.kind !== "map" || !nodeAt(rest, [key]).found) continue;
    findings.push(wrongKey([key], `${key}: not in this version yet`));
    rest = without(rest, key);
  }
  return { root: rest, findings };
}
