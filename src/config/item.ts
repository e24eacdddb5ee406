import * as v from "valibot";
import type { Pin } from "../device/gpio.ts";
import { settings } from "../schema/settings.ts";
import { defaultWords, explainIssues } from "./explain.ts";
import type { Finding } from "./finding.ts";
import type { Path } from "./tree.ts";

/** One item of `sensors` or `actuators`, as far as it could be understood. */
export interface Resolved<T> {
  readonly config?: T;
  readonly findings: readonly Finding[];
  /** The lines it takes; none where its options are wrong. */
  readonly pins: readonly Pin[];
}

export type Raw = Readonly<Record<string, unknown>>;

/** Parses an item; says what is wrong, and which of its keys are to blame. */
export function parseItem(entries: v.ObjectEntries, item: Raw, path: Path) {
  const result = v.safeParse(settings(entries), item, defaultWords);
  const findings = explainIssues(result.issues, item, path);
  const blamed = new Set(findings.map((finding) => finding.path[path.length]));
  return { output: result.output as Raw, findings, blamed };
}

/** Findings for the common keys alone, where the driver, and so the meaning of the other keys, is not known. */
export function explainLoosely(entries: v.ObjectEntries, item: Raw, path: Path): Finding[] {
  return explainIssues(v.safeParse(v.object(entries), item, defaultWords).issues, item, path);
}

/** The part of a parsed item that belongs to its driver or kind, and whether all of it was right. */
export function optionsOf(
  entries: v.ObjectEntries,
  output: Raw,
  blamed: ReadonlySet<string | number | undefined>,
) {
  const keys = Object.keys(entries);
  const options: Raw = Object.fromEntries(
    keys.filter((key) => output[key] !== undefined).map((key) => [key, output[key]]),
  );
  return { options, optionsFit: !keys.some((key) => blamed.has(key)) };
}

export function isMap(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function wrong<T>(findings: readonly Finding[]): Resolved<T> {
  return { findings, pins: [] };
}
