import { type Alias, Composer, type CST, type Document, isAlias, isMap, isScalar, isSeq, Parser } from "yaml";
import type { Problem } from "./problem.ts";
import type { Range, Source } from "./source.ts";
import { syntaxMessage } from "./syntax.ts";
import type { Node, ScalarNode } from "./tree.ts";

/** A configuration is a page or two; whatever is larger was given by mistake. */
export const MAX_FILE_BYTES = 1024 * 1024;
/** Lists and maps within each other. Bounds every recursion over the document. */
const MAX_DEPTH = 64;
/** Nodes that aliases may stand for in total, so that a few lines cannot expand to gigabytes. */
const MAX_ALIASED_NODES = 10_000;

export interface Parsed {
  /** Absent where the text could not be read as one map. */
  readonly root?: Node;
  readonly problems: readonly Problem[];
}

/** Reads YAML 1.2 (core schema, with merge keys) into values that know where they stand. Never throws. */
export function parseYaml(source: Source): Parsed {
  const refused = (range: Range, message: string): Parsed => ({ problems: [source.problem(range, message)] });
  if (Buffer.byteLength(source.text) > MAX_FILE_BYTES) {
    return { problems: [{ ...source.problem([0, 0], "the file is larger than 1 MiB"), sourceLine: "" }] };
  }
  const tokens = [...new Parser().parse(source.text)];
  const tooDeep = firstDeeperThan(tokens, MAX_DEPTH);
  if (tooDeep) {
    return refused([tooDeep.offset, tooDeep.offset + 1], `nested more than ${MAX_DEPTH} levels deep`);
  }
  const composer = new Composer({ uniqueKeys: false, logLevel: "silent" });
  const documents = [...composer.compose(tokens, true, source.text.length)];
  const problems = syntaxProblems(source, documents);
  if (problems.length > 0) return { problems };
  const [document, second] = documents;
  if (second) return refused(at(second.range[0]), "only one document is allowed in a file");
  const contents = document?.contents;
  if (!contents || (isScalar(contents) && contents.value === null)) {
    return refused([0, 0], "the file is empty; it needs at least device and mqtt");
  }
  if (!isMap(contents)) {
    return refused(
      rangeOf(contents),
      `expected a map of settings, found ${isSeq(contents) ? "a list" : "text"}`,
    );
  }
  return placeNodes(source, contents);
}

function at(offset: number): Range {
  return [offset, offset + 1];
}

function rangeOf(node: unknown): Range {
  const range = (node as { range?: readonly number[] | null } | null)?.range;
  return [range?.[0] ?? 0, range?.[1] ?? range?.[0] ?? 0];
}

/**
 * Errors of the YAML itself. After the first on a line the rest of that line is guesswork, and so is an unexpected
 * token after any other error: both are left out.
 */
function syntaxProblems(source: Source, documents: readonly Document[]): Problem[] {
  const byLine = new Map<number, Problem>();
  const lastOffset = Math.max(0, source.text.trimEnd().length - 1);
  const errors = documents.flatMap((document) => [...document.errors, ...document.warnings]);
  for (const { code, message, pos } of errors) {
    if (code === "UNEXPECTED_TOKEN" && byLine.size > 0) continue;
    const range: Range = pos[0] > lastOffset ? at(lastOffset) : [pos[0], pos[1]];
    const found = source.problem(range, syntaxMessage(source.text, code, message, pos));
    if (!byLine.has(found.line)) byLine.set(found.line, found);
  }
  const version = documents[0]?.directives?.yaml;
  if (version?.explicit && version.version !== "1.2") {
    byLine.set(1, source.problem([0, 5], `YAML ${version.version} is not supported; remove the %YAML line`));
  }
  return [...byLine.values()];
}

/** Looks through the concrete syntax with a list of its own: a recursion here would be what it guards against. */
function firstDeeperThan(tokens: readonly CST.Token[], maxDepth: number): CST.Token | undefined {
  const waiting: { token: CST.Token; depth: number }[] = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { token, depth } = next;
    if (depth > maxDepth) return token;
    if (token.type === "document" && token.value) waiting.push({ token: token.value, depth });
    if (!("items" in token)) continue;
    for (const { key, value } of token.items as readonly CST.CollectionItem[]) {
      if (key) waiting.push({ token: key, depth: depth + 1 });
      if (value) waiting.push({ token: value, depth: depth + 1 });
    }
  }
  return undefined;
}

/** Turns the parser's nodes into ours: aliases followed, merge keys merged, duplicate keys reported. */
function placeNodes(source: Source, contents: unknown): Parsed {
  const problems: Problem[] = [];
  const anchors = new Map<string, Node | "open">();
  let aliasedNodes = 0;

  const report = (range: Range, message: string) => problems.push(source.problem(range, message));

  function place(node: unknown, key?: Range): Node {
    if (isAlias(node)) return placeAlias(node, key);
    const anchor = (node as { anchor?: string } | null)?.anchor;
    if (anchor) anchors.set(anchor, "open");
    const placed = placeValue(node, key);
    if (anchor) anchors.set(anchor, placed);
    return placed;
  }

  function placeValue(node: unknown, key: Range | undefined): Node {
    const place_ = { range: rangeOf(node), ...(key ? { key } : {}) };
    if (isSeq(node)) {
      const items = node.items.map((item) => place(item));
      return { kind: "list", items, size: sizeOf(items), ...place_ };
    }
    if (isMap(node)) {
      const entries = placeEntries(node.items);
      return { kind: "map", entries, size: sizeOf(entries.values()), ...place_ };
    }
    return {
      kind: "scalar",
      value: isScalar(node) ? placeScalar(node.value, place_.range) : null,
      size: 1,
      ...place_,
    };
  }

  function placeScalar(value: unknown, range: Range): ScalarNode["value"] {
    if (typeof value === "number" && !Number.isFinite(value)) report(range, "expected a finite number");
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
    return null;
  }

  function placeAlias(alias: Alias, key: Range | undefined): Node {
    const range = rangeOf(alias);
    const nothing: Node = {
      kind: "scalar",
      value: null,
      unresolved: true,
      size: 1,
      range,
      ...(key ? { key } : {}),
    };
    const target = anchors.get(alias.source);
    if (target === undefined || target === "open") {
      report(
        range,
        target ? `*${alias.source} refers to itself` : `no anchor is called &${alias.source} above here`,
      );
      return nothing;
    }
    aliasedNodes += target.size;
    if (aliasedNodes <= MAX_ALIASED_NODES) return key ? { ...target, key } : target;
    if (aliasedNodes - target.size <= MAX_ALIASED_NODES)
      report(range, `aliases stand for more than ${MAX_ALIASED_NODES} values`);
    return nothing;
  }

  function placeEntries(pairs: readonly { key: unknown; value: unknown }[]): Map<string, Node> {
    const entries = new Map<string, Node>();
    const merged: Node[] = [];
    for (const { key, value } of pairs) {
      const range = rangeOf(key);
      const name = isScalar(key) ? keyName(key.value) : undefined;
      const node = place(value, range);
      if (name === undefined) report(range, "a key must be plain text");
      else if (isMergeKey(key)) merged.push(node);
      else if (!entries.has(name)) entries.set(name, node);
      else report(range, `duplicate key "${name}", first on line ${lineOf(entries.get(name))}`);
    }
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

  const root = place(contents);
  return { root, problems };
}

function sizeOf(nodes: Iterable<Node>): number {
  let size = 1;
  for (const node of nodes) size += node.size;
  return size;
}

function keyName(value: unknown): string | undefined {
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : undefined;
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === "<<" && key.type === "PLAIN";
}
