import type { Finding } from "./finding.ts";
import { child, type ListNode, type MapNode, type Node, without } from "./tree.ts";

/** The blocks that say what outputs there are and how they are reached. */
const NEEDED = ["device", "buses", "gpio", "expanders", "actuators"];

/** What only binds the guard of a node that runs. */
const LIMITS = [
  "initial",
  "offline_after",
  "max_on",
  "min_on",
  "min_off",
  "startup_delay",
  "restore",
  "budget",
  "interlock",
];

const nowhere = { range: [0, 0], size: 1 } as const;
const text = (value: string): Node => ({ ...nowhere, kind: "scalar", value });
const map = (entries: readonly (readonly [string, Node])[]): MapNode => ({
  ...nowhere,
  kind: "map",
  entries: new Map(entries),
});

/** What a configuration must have, though no output depends on it. */
const STAND_INS = new Map<string, Node>([
  ["device", map([["id", text("outputs")]])],
  ["mqtt", map([["url", text("mqtt://localhost")]])],
]);

/**
 * A configuration reduced to its outputs. Nothing else in it, a broker's password that cannot be read or a sensor with a
 * wrong address, may keep them from being made safe. Groups and limits go as well: each output is driven by itself.
 */
export function outputsOnly(root: Node): Node {
  if (root.kind !== "map") return root;
  const kept = [...root.entries].filter(([key]) => NEEDED.includes(key));
  const reduced: MapNode = { ...root, entries: new Map([...STAND_INS, ...kept]) };
  return withActuators(reduced, (item) => {
    const driver = child(item, "driver");
    return driver?.kind === "scalar" && driver.value === "group"
      ? undefined
      : item.kind === "map"
        ? LIMITS.reduce<MapNode>(without, item)
        : item;
  });
}

/** What outputs a configuration names, right or wrong. */
export function outputNames(root: Node): readonly string[] {
  const list = child(root, "actuators");
  if (list?.kind !== "list") return [];
  return list.items.map((item) => {
    const id = child(item, "id");
    return id?.kind === "scalar" ? String(id.value) : "one without an id";
  });
}

/** The same without what is wrong: an output that cannot be understood keeps no other from being made safe. */
export function withoutWrong(root: Node, findings: readonly Pick<Finding, "path">[]): Node {
  if (root.kind !== "map") return root;
  const blamed = new Set(findings.map(({ path }) => path[0]));
  const entries = new Map(root.entries);
  for (const key of entries.keys()) {
    if (key === "actuators" || !blamed.has(key)) continue;
    const standIn = STAND_INS.get(key);
    if (standIn) entries.set(key, standIn);
    else entries.delete(key);
  }
  const wrong = new Set(findings.filter(({ path }) => path[0] === "actuators").map(({ path }) => path[1]));
  return withActuators({ ...root, entries }, (item, index) =>
    wrong.has(index) || wrong.has(undefined) ? undefined : item,
  );
}

/** Where a substitution failed, so that something else was meant than stands there; the substitution has said so. */
export function unresolvedIn(root: Node): readonly Pick<Finding, "path">[] {
  if (root.kind !== "map") return [];
  return [...root.entries].flatMap(([key, node]) => {
    if (key !== "actuators" || node.kind !== "list") return isUnresolved(node) ? [{ path: [key] }] : [];
    return node.items.flatMap((item, index) => (isUnresolved(item) ? [{ path: [key, index] }] : []));
  });
}

function isUnresolved(node: Node): boolean {
  if (node.kind === "map") return [...node.entries.values()].some(isUnresolved);
  if (node.kind === "list") return node.items.some(isUnresolved);
  return node.unresolved === true;
}

function withActuators(root: MapNode, change: (item: Node, index: number) => Node | undefined): Node {
  const list = root.entries.get("actuators");
  if (list?.kind !== "list") return root;
  const items = list.items.flatMap((item, index) => change(item, index) ?? []);
  const changed: ListNode = { ...list, items };
  return { ...root, entries: new Map(root.entries).set("actuators", changed) };
}
