import type { Source } from "./source.ts";
import { type SubstitutionSources, substitute } from "./substitute.ts";
import { child, type MapNode, type Node, plain } from "./tree.ts";

/** What the node shows the broker. */
export interface Credentials {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** Reads `mqtt.username` and `mqtt.password` anew. Throws, with an error for people, where a file cannot be read. */
export type ReadCredentials = () => Credentials;

const KEYS = ["username", "password"];

/** Undefined where neither comes from a file: then they cannot change. `root`: as it is written, before substitution. */
export function credentialsReader(
  root: Node,
  source: Source,
  sources: SubstitutionSources,
): ReadCredentials | undefined {
  const mqtt = child(root, "mqtt");
  if (root.kind !== "map" || mqtt?.kind !== "map") return undefined;
  const written = KEYS.flatMap((key) => {
    const node = mqtt.entries.get(key);
    return node === undefined ? [] : [[key, node] as const];
  });
  if (!written.some(([, node]) => isFromFile(node))) return undefined;
  const device = root.entries.get("device");
  const part: MapNode = {
    ...root,
    entries: new Map<string, Node>([
      ...(device ? [["device", device] as const] : []),
      ["mqtt", { ...mqtt, entries: new Map(written) }],
    ]),
  };
  return () => {
    const filled = substitute(part, source, sources);
    const [problem] = filled.problems;
    if (problem) throw new Error(`mqtt.username, mqtt.password: ${problem.message}`);
    return plain(child(filled.root, "mqtt")!) as Credentials;
  };
}

function isFromFile(node: Node): boolean {
  return node.kind === "scalar" && typeof node.value === "string" && node.value.includes("${file:");
}
