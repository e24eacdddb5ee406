import type { Patient } from "./patient.ts";

/** `skipped`: could not be looked at, and `found` says why. */
export type Verdict = "ok" | "warning" | "failed" | "skipped";

/** What a check found. One line for people. */
export interface Diagnosis {
  /** What was looked at: `sensor air`, `group i2c`. */
  readonly what: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** How to mend it. */
  readonly fix?: string;
}

/** In the order in which they are shown. */
export const AREAS = ["configuration", "machine", "clock", "storage", "board", "service", "broker"] as const;

/** One thing that would keep a node from working here. */
export interface Check {
  /** What `--json`, the documentation and tests call it. Never changes. */
  readonly id: string;
  readonly area: (typeof AREAS)[number];
  /** What a line about it begins with where nothing more precise is known. */
  readonly title: string;
  /** What is looked at and what would be wrong, for the table in docs/cli.md. */
  readonly looksAt: string;
  /**
   * What it needs: a real board, a broker that may be asked, a Linux to look into. Where that is missing the check is
   * skipped. Default: nothing.
   */
  readonly needs?: "board" | "broker" | "linux";
  /** Default: {@link DEFAULT_LIMIT_MS}. */
  readonly limitMs?: number;
  /** One diagnosis a thing that was looked at; none where this node has no such thing. */
  run(patient: Patient): Promise<readonly Diagnosis[]>;
}

export const DEFAULT_LIMIT_MS = 10_000;

export function ok(what: string, found: string): Diagnosis {
  return { what, verdict: "ok", found };
}

export function warning(what: string, found: string, fix?: string): Diagnosis {
  return { what, verdict: "warning", found, ...(fix !== undefined && { fix }) };
}

export function failed(what: string, found: string, fix?: string): Diagnosis {
  return { what, verdict: "failed", found, ...(fix !== undefined && { fix }) };
}

export function skipped(what: string, why: string): Diagnosis {
  return { what, verdict: "skipped", found: why };
}
