import type { Range } from "./source.ts";

interface Placed {
  /** Where the value stands. Empty where nothing is written. */
  readonly range: Range;
  /** Where its key stands; absent for items of a list and for the top. */
  readonly key?: Range;
  /** Nodes in it, itself included, aliases counted in full. */
  readonly size: number;
}

export interface ScalarNode extends Placed {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** Set where a substitution or an alias failed: the problem is known, and the value is not what was meant. */
  readonly unresolved?: boolean;
  /** Set where a part of the value came from the environment or from a file. */
  readonly secret?: boolean;
}

export interface MapNode extends Placed {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, Node>;
}

export interface ListNode extends Placed {
  readonly kind: "list";
  readonly items: readonly Node[];
}

/** A configuration's value together with where it stands in the file. */
export type Node = ScalarNode | MapNode | ListNode;

export type Path = readonly (string | number)[];

export function child(node: Node | undefined, key: string | number): Node | undefined {
  if (node?.kind === "map") return node.entries.get(String(key));
  if (node?.kind === "list") return node.items[Number(key)];
  return undefined;
}

/** The node at `path`, or the deepest one on the way to it. */
export function nodeAt(root: Node, path: Path): { readonly node: Node; readonly found: boolean } {
  let node = root;
  for (const key of path) {
    const next = child(node, key);
    if (!next) return { node, found: false };
    node = next;
  }
  return { node, found: true };
}

/** Where to point for a value: where it stands, or at its key where nothing is written. */
export function valueRange(node: Node): Range {
  const empty = node.range[0] === node.range[1];
  return empty && node.key ? node.key : node.range;
}

/** Where to point for a key's name. */
export function keyRange(node: Node): Range {
  return node.key ?? node.range;
}

/** Where to point for a key that is not there: the map's first key, or the map itself. */
export function missingRange(node: Node): Range {
  const first = node.kind === "map" ? node.entries.values().next().value : undefined;
  return first ? keyRange(first) : valueRange(node);
}

/** The bare value. Maps have no prototype, so that a key called `__proto__` is a key like any other. */
export function plain(node: Node): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(plain);
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, value] of node.entries) object[key] = plain(value);
  return object;
}

/** The same map without one key. */
export function without(node: MapNode, key: string): MapNode {
  return { ...node, entries: new Map([...node.entries].filter(([name]) => name !== key)) };
}
