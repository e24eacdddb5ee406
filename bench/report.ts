import { comparisonOf, type Figure, type Findings, isMet, median, type Part } from "./figure.ts";

export interface Report {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly parts: readonly { readonly part: Part; readonly findings: Findings }[];
}

const COLUMNS = ["figure", "median", "unit", "min-max", "beside", "compared", "target", ""];

/** For people: the machine, then one table a part. */
export function toText({ machine, parts }: Report): string {
  const head = Object.entries(machine).map(([key, value]) => `${key} ${value}`);
  const rows = parts.map(({ findings }) => findings.figures.map(rowOf));
  const widths = COLUMNS.map((column, at) =>
    Math.max(column.length, ...rows.flat().map((row) => row[at]!.length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join("  ")
      .trimEnd();
  const blocks = parts.map(({ part, findings }, at) =>
    [
      `${part.name}: ${part.title}`,
      ...rows[at]!.map((row) => `  ${line(row)}`),
      ...(findings.notes ?? []).map((note) => `  (${note})`),
    ].join("\n"),
  );
  return [head.join(", "), `  ${line(COLUMNS)}`, ...blocks, ""].join("\n");
}

/** The same for programs. */
export function toJson({ machine, parts }: Report): string {
  const told = parts.map(({ part, findings }) => ({
    name: part.name,
    title: part.title,
    figures: findings.figures.map((figure) => ({
      name: figure.name,
      unit: figure.unit,
      median: median(figure.runs),
      runs: figure.runs,
      ...(figure.beside && {
        beside: { name: figure.beside.name, median: median(figure.beside.runs), runs: figure.beside.runs },
        [figure.beside.as]: comparisonOf(figure),
      }),
      ...(figure.target && { target: figure.target, met: isMet(figure) }),
    })),
    notes: findings.notes ?? [],
  }));
  return `${JSON.stringify({ machine, parts: told }, undefined, 2)}\n`;
}

/** One line for each target that was missed. */
export function misses({ parts }: Report): string[] {
  return parts.flatMap(({ part, findings }) =>
    findings.figures
      .filter((figure) => isMet(figure) === false)
      .map((figure) => `${part.name}: ${figure.name}: ${measured(figure)}, target ${targetOf(figure)}`),
  );
}

function rowOf(figure: Figure): string[] {
  const { name, unit, runs, beside } = figure;
  const met = isMet(figure);
  return [
    name,
    number(median(runs)),
    unit,
    runs.length > 1 ? `${number(Math.min(...runs))}-${number(Math.max(...runs))}` : "",
    beside ? `${beside.name}: ${number(median(beside.runs))}` : "",
    comparison(figure),
    targetOf(figure),
    met === undefined ? "" : met ? "ok" : "MISSED",
  ];
}

function measured(figure: Figure): string {
  return figure.target?.of === "comparison"
    ? comparison(figure)
    : `${number(median(figure.runs))} ${figure.unit}`;
}

function comparison(figure: Figure): string {
  const value = comparisonOf(figure);
  if (value === undefined) return "";
  return figure.beside?.as === "ratio" ? `x ${value.toFixed(2)}` : `+ ${number(value)} ${figure.unit}`;
}

function targetOf({ target, beside, unit }: Figure): string {
  if (target === undefined) return "";
  const ratio = target.of === "comparison" && beside?.as === "ratio";
  const limit = ratio ? `x ${target.limit.toFixed(2)}` : `${number(target.limit)} ${unit}`;
  return `${target.bound === "at most" ? "<=" : ">="} ${limit}`;
}

/** Three digits that mean something; whole numbers from a hundred on. */
function number(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", {
    maximumFractionDigits: Number.isInteger(value) ? 0 : digits,
  });
}
