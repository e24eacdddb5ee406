/** What a figure is held to. `of`: the figure itself, or what the comparison came to. */
export interface Target {
  readonly of: "figure" | "comparison";
  readonly bound: "at most" | "at least";
  readonly limit: number;
}

/** The same measurement of something everybody knows, taken in turns with the figure's own runs. */
export interface Beside {
  readonly name: string;
  readonly runs: readonly number[];
  /** How the two are compared, run by run. */
  readonly as: "ratio" | "difference";
}

/** One measured quantity. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** One number a run; what is reported is their median. */
  readonly runs: readonly number[];
  readonly beside?: Beside;
  readonly target?: Target;
}

/** What one part of the bench found. */
export interface Findings {
  readonly figures: readonly Figure[];
  /** Why nothing was measured, or what the figures leave out. */
  readonly notes?: readonly string[];
}

/** One part of the bench. */
export interface Part {
  readonly name: string;
  /** What is measured, in one line. */
  readonly title: string;
  /** Runs only when it is named: it takes long, or builds something first. */
  readonly onRequest?: true;
  measure(bench: Bench): Promise<Findings>;
}

/** What the parts share. */
export interface Bench {
  /** A folder on a disk, not in memory; gone when the bench ends. */
  readonly folder: string;
  /** The built device bundle. */
  readonly bundle: string;
  /** How long a part measures that goes by the clock, where that was said. */
  readonly minutes?: number;
  /** Where a part that draws writes its picture (SVG), where that was said. */
  readonly plot?: string;
  progress(text: string): void;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median over the pairs of runs, each pair measured one right after the other. */
export function comparisonOf({ runs, beside }: Figure): number | undefined {
  if (beside === undefined) return undefined;
  return median(
    runs.map((run, index) => (beside.as === "ratio" ? run / beside.runs[index]! : run - beside.runs[index]!)),
  );
}

/** Undefined: the figure has no target. */
export function isMet(figure: Figure): boolean | undefined {
  const { target } = figure;
  if (target === undefined) return undefined;
  const value = target.of === "figure" ? median(figure.runs) : comparisonOf(figure)!;
  return target.bound === "at most" ? value <= target.limit : value >= target.limit;
}
