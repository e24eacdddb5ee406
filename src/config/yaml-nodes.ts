import {
  boolCoreTag,
  COLLECTION_STYLE,
  EVENT_ID,
  type Event,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  NOT_RESOLVED,
  nullCoreTag,
  SCALAR_STYLE,
  type ScalarEvent,
} from "js-yaml";
import type { Problem } from "./problem.ts";
import type { Range, Source } from "./source.ts";
import type { Node, ScalarNode } from "./tree.ts";

/** Nodes that aliases may stand for in total, so that a few lines cannot expand to gigabytes. */
const MAX_ALIASED_NODES = 10_000;

type Opening = Exclude<Event, { readonly type: typeof EVENT_ID.POP | typeof EVENT_ID.DOCUMENT }>;

/** What a plain scalar is: the first of YAML's core schema that takes it, or text (YAML 1.2.2, section 10.3.2). */
const CORE_TAGS = [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag];

export interface PlacedNodes {
  /** The first document's; absent where there is none. */
  readonly root?: Node;
  readonly problems: readonly Problem[];
  /** Offset behind all that was placed. */
  readonly end: number;
}

/** Turns the parser's events into values: aliases followed, merge keys merged, duplicate keys reported. */
export function placeNodes(source: Source, events: readonly Event[]): PlacedNodes {
  const { text } = source;
  const problems: Problem[] = [];
  const anchors = new Map<string, Node | "open">();
  let aliasedNodes = 0;
  /** The event after the opening of the first document. */
  let next = 1;
  let end = 0;

  const report = (range: Range, message: string) => problems.push(source.problem(range, message));

  function place(key?: Range): Node {
    const event = events[next++] as Opening;
    if (event.type === EVENT_ID.ALIAS) return placeAlias([event.anchorStart - 1, event.anchorEnd], key);
    end = Math.max(end, event.tagEnd, event.anchorEnd);
    const anchor = text.slice(event.anchorStart, event.anchorEnd);
    if (anchor) anchors.set(anchor, "open");
    const placed = placeValue(event, key === undefined ? {} : { key });
    if (anchor) anchors.set(anchor, placed);
    return placed;
  }

  function placeValue(event: Exclude<Opening, { type: typeof EVENT_ID.ALIAS }>, at: { key?: Range }): Node {
    const tag = text.slice(event.tagStart, event.tagEnd);
    if (event.type === EVENT_ID.SCALAR) {
      const range = rangeOf(event);
      const value = placeScalar(event, tag, range);
      if (value !== undefined) return { kind: "scalar", value, size: 1, range, ...at };
      return { kind: "scalar", value: null, unresolved: true, size: 1, range, ...at };
    }
    const list = event.type === EVENT_ID.SEQUENCE;
    const wanted = list ? "!!seq" : "!!map";
    if (tag !== "" && tag !== "!" && tag !== wanted) reportTag([event.tagStart, event.tagEnd]);
    end = Math.max(end, event.start + 1);
    const items = list ? placeItems() : [];
    const entries = list ? new Map<string, Node>() : placeEntries();
    const closing = event.style === COLLECTION_STYLE.FLOW ? text.indexOf(list ? "]" : "}", end) : -1;
    if (closing >= 0) end = closing + 1;
    const place_ = { range: [event.start, end] as Range, ...at };
    return list
      ? { kind: "list", items, size: sizeOf(items), ...place_ }
      : { kind: "map", entries, size: sizeOf(entries.values()), ...place_ };
  }

  /** Where a scalar stands, its quotes included. */
  function rangeOf({ valueStart, valueEnd, style }: ScalarEvent): Range {
    if (valueStart < 0) return [end, end];
    const quote = style === SCALAR_STYLE.SINGLE_QUOTED || style === SCALAR_STYLE.DOUBLE_QUOTED ? 1 : 0;
    end = valueEnd + quote;
    return [valueStart - quote, end];
  }

  function placeScalar(event: ScalarEvent, tag: string, range: Range): ScalarNode["value"] | undefined {
    const written = getScalarValue(text, event);
    const value = tag === "" ? resolved(event.style, written) : tagged(written, tag);
    if (value === undefined) reportTag([event.tagStart, event.tagEnd]);
    if (typeof value === "number" && !Number.isFinite(value)) report(range, "expected a finite number");
    return value;
  }

  function reportTag(range: Range): void {
    const tag = text.slice(...range);
    report(range, `unknown tag ${tag}; for a secret write \${env:NAME} or \${file:/path}`);
  }

  function placeAlias(range: Range, key: Range | undefined): Node {
    end = range[1];
    const name = text.slice(range[0] + 1, range[1]);
    const nothing: Node = {
      kind: "scalar",
      value: null,
      unresolved: true,
      size: 1,
      range,
      ...(key ? { key } : {}),
    };
    const target = anchors.get(name);
    if (target === undefined || target === "open") {
      report(range, target ? `*${name} refers to itself` : `no anchor is called &${name} above here`);
      return nothing;
    }
    aliasedNodes += target.size;
    if (aliasedNodes <= MAX_ALIASED_NODES) return key ? { ...target, key } : target;
    if (aliasedNodes - target.size <= MAX_ALIASED_NODES)
      report(range, `aliases stand for more than ${MAX_ALIASED_NODES} values`);
    return nothing;
  }

  function placeItems(): Node[] {
    const items: Node[] = [];
    while (events[next]?.type !== EVENT_ID.POP) items.push(place());
    next++;
    return items;
  }

  function placeEntries(): Map<string, Node> {
    const entries = new Map<string, Node>();
    const merged: Node[] = [];
    while (events[next]?.type !== EVENT_ID.POP) {
      const event = events[next];
      const { range, ...key } = place();
      const node = place(range);
      const name = key.kind === "scalar" && event?.type === EVENT_ID.SCALAR ? key.value : null;
      if (name === null) report(range, "a key must be plain text");
      else if (name === "<<" && isPlain(event)) merged.push(node);
      else if (!entries.has(String(name))) entries.set(String(name), node);
      else report(range, `duplicate key "${name}", first on line ${lineOf(entries.get(String(name)))}`);
    }
    next++;
    for (const node of merged) mergeInto(entries, node);
    return entries;
  }

  function lineOf(node: Node | undefined): number {
    return source.position((node?.key ?? node?.range ?? [0])[0]).line;
  }

  /** YAML's merge key: the map's own keys win, and earlier maps of a list win over later ones. */
  function mergeInto(entries: Map<string, Node>, merged: Node): void {
    const maps = merged.kind === "list" ? merged.items : [merged];
    for (const map of maps) {
      if (map.kind !== "map") report(merged.key ?? map.range, "<< takes a map or a list of maps");
      else for (const [name, node] of map.entries) if (!entries.has(name)) entries.set(name, node);
    }
  }

  return events.length === 0 ? { problems, end } : { root: place(), problems, end };
}

function sizeOf(nodes: Iterable<Node>): number {
  let size = 1;
  for (const node of nodes) size += node.size;
  return size;
}

function isPlain(event: Event | undefined): boolean {
  return event?.type === EVENT_ID.SCALAR && event.style === SCALAR_STYLE.PLAIN;
}

/** A scalar without a tag: what is quoted or a block is text. */
function resolved(style: ScalarEvent["style"], written: string): ScalarNode["value"] {
  if (style !== SCALAR_STYLE.PLAIN) return written;
  for (const tag of CORE_TAGS) {
    const value = tag.resolve(written, false, tag.tagName);
    if (value !== NOT_RESOLVED) return value;
  }
  return written;
}

/** A scalar with one of the core schema's tags; undefined where there is no such tag or the text does not fit it. */
function tagged(written: string, name: string): ScalarNode["value"] | undefined {
  if (name === "!" || name === "!!str") return written;
  const tag = CORE_TAGS.find(({ tagName }) => tagName === name.replace("!!", "tag:yaml.org,2002:"));
  const value = tag?.resolve(written, true, tag.tagName);
  return value === NOT_RESOLVED ? undefined : value;
}
