import { EVENT_ID, type Event, parseEvents, YAMLException } from "js-yaml";
import type { Problem } from "./problem.ts";
import type { Range, Source } from "./source.ts";
import { syntaxProblem } from "./syntax.ts";
import type { Node } from "./tree.ts";
import { placeNodes } from "./yaml-nodes.ts";

/** A configuration is a page or two; whatever is larger was given by mistake. */
export const MAX_FILE_BYTES = 1024 * 1024;
/** Lists and maps within each other. Bounds every recursion over the document. */
const MAX_DEPTH = 64;

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
  let events: readonly Event[];
  try {
    events = parseEvents(source.text, { maxDepth: MAX_DEPTH });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return { problems: [syntaxProblem(source, error.reason, error.mark?.position ?? 0)] };
  }
  const version = yamlVersion(events);
  if (version !== undefined && version !== "1.2") {
    return refused([0, 5], `YAML ${version} is not supported; remove the %YAML line`);
  }
  const { root, problems, end } = placeNodes(source, events);
  if (events.filter(({ type }) => type === EVENT_ID.DOCUMENT).length > 1) {
    const separator = source.text.slice(end).search(/^(---|\.\.\.)/m);
    const at = separator < 0 ? end : end + separator;
    return refused([at, at + 1], "only one document is allowed in a file");
  }
  if (root?.kind === "map") return { root, problems };
  if (problems.length > 0) return { problems };
  if (!root || (root.kind === "scalar" && root.value === null)) {
    return refused([0, 0], "the file is empty; it needs at least device and mqtt");
  }
  return refused(root.range, `expected a map of settings, found ${root.kind === "list" ? "a list" : "text"}`);
}

function yamlVersion(events: readonly Event[]): string | undefined {
  const [first] = events;
  if (first?.type !== EVENT_ID.DOCUMENT) return undefined;
  for (const directive of first.directives) if (directive.kind === "yaml") return directive.version;
  return undefined;
}
