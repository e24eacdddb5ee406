import type { DryRun } from "./dry-run.ts";
import { type IsOn, outagesOf, type Total } from "./totals.ts";
import type { Trace } from "./trace.ts";

/** All lengths in user units, which are pixels where nobody scales the drawing. */
const WIDTH = 1_200;
const LEFT = 170;
const RIGHT = 24;
const TOP = 56;
const CURVE_HEIGHT = 92;
const STRIP_HEIGHT = 22;
const GAP = 14;
const AXIS_HEIGHT = 34;
const PLOT_WIDTH = WIDTH - LEFT - RIGHT;

const DATE_WIDTH = 84;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Distances between marks on the time axis, and how many of them fit. */
const TICKS_MS = [
  60_000,
  300_000,
  900_000,
  HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  7 * DAY_MS,
];
const MAX_TICKS = 14;

/** Plain rules and no variables, which many programs that show drawings do not know. */
const STYLE = `
  svg { font: 13px system-ui, sans-serif } .title { font-size: 17px; font-weight: 600 } .soft { font-size: 12px }
  .paper { fill: #ffffff } text { fill: #1c2733 } .soft { fill: #5d6b78 } .grid { stroke: #d7dde3 } .rail { fill: #d7dde3 }
  .curve { fill: none; stroke: #1769aa; stroke-width: 1.5 } .band { fill: #1769aa; opacity: 0.2 } .true { fill: #1769aa }
  .on { fill: #c4620a } .outage { fill: #b3261e; opacity: 0.15 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #12181f } text { fill: #e6ebf0 } .soft { fill: #9aa7b3 } .grid { stroke: #303a45 } .rail { fill: #303a45 }
    .curve { stroke: #6cb6f5 } .band { fill: #6cb6f5; opacity: 0.25 } .true { fill: #6cb6f5 }
    .on { fill: #f2a24e } .outage { fill: #ff6b6b; opacity: 0.25 }
  }`;

export interface DrawingOptions {
  readonly title: string;
  /** IANA name; absent: the system's zone. */
  readonly timeZone: string | undefined;
  readonly isOn: IsOn;
}

/** One drawing of all that a dry run found: a curve a field, a strip a switch and an actuator, outages across. */
export function drawDryRun(run: DryRun, totals: readonly Total[], options: DrawingOptions): string {
  const { startWallMs, endWallMs } = run;
  const x = (wallMs: number) => LEFT + ((wallMs - startWallMs) / (endWallMs - startWallMs)) * PLOT_WIDTH;
  const rows: string[] = [];
  let y = TOP;
  for (const trace of run.traces) {
    const height = trace.isBoolean || trace.samples === 0 ? STRIP_HEIGHT : CURVE_HEIGHT;
    rows.push(group(y, trace.isBoolean ? booleanStrip(trace) : curve(trace)));
    y += height + GAP;
  }
  for (const total of totals) {
    rows.push(group(y, actuatorStrip(total, x, options.isOn)));
    y += STRIP_HEIGHT + GAP;
  }
  const bottom = y;
  const outages = outagesOf(run).map(
    ([fromMs, untilMs]) =>
      `<rect class="outage" x="${round(x(fromMs))}" y="${TOP}" width="${round(Math.max(1, x(untilMs) - x(fromMs)))}" height="${bottom - GAP - TOP}"><title>no broker</title></rect>`,
  );
  const legend =
    outages.length > 0
      ? `<rect class="outage" x="${WIDTH - RIGHT - 96}" y="18" width="16" height="14"/><text class="soft" x="${WIDTH - RIGHT - 74}" y="30">no broker</text>`
      : "";
  const height = bottom + AXIS_HEIGHT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(options.title)}</title><style>${STYLE}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}"/>`,
    `<text class="title" x="20" y="32">${escaped(options.title)}</text>`,
    legend,
    timeAxis(run, x, bottom, options.timeZone),
    ...rows,
    ...outages,
    "</svg>",
    "",
  ].join("\n");
}

function group(y: number, content: string): string {
  return `<g transform="translate(0 ${y})">${content}</g>`;
}

function label(name: string, unit: string, middle: number): string {
  const second = unit === "" ? "" : `<text class="soft" x="20" y="${middle + 20}">${escaped(unit)}</text>`;
  return `<text x="20" y="${middle + 4}">${escaped(shortened(name))}</text>${second}`;
}

function curve(trace: Trace): string {
  const { sensor, field, unit, precision, min, max, stretches } = trace;
  if (min === undefined || max === undefined)
    return `${label(`${sensor}.${field}`, "", STRIP_HEIGHT / 2)}<text class="soft" x="${LEFT + 8}" y="${STRIP_HEIGHT / 2 + 4}">no reading</text>`;
  const name = label(`${sensor}.${field}`, unit, CURVE_HEIGHT / 2 - 8);
  const [low, high] = min === max ? [min - 1, max + 1] : [min, max];
  const y = (value: number) => CURVE_HEIGHT - 4 - ((value - low) / (high - low)) * (CURVE_HEIGHT - 8);
  const x = (at: number) => LEFT + ((at + 0.5) / stretches.length) * PLOT_WIDTH;
  const grid = [low, (low + high) / 2, high].map(
    (value) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(value))}" y2="${round(y(value))}"/><text class="soft" text-anchor="end" x="${LEFT - 8}" y="${round(y(value) + 4)}">${value.toFixed(Math.min(precision, 2))}</text>`,
  );
  const drawn = runsOf(stretches).map((run) => {
    const upper = run.map(({ at, stretch }) => `${round(x(at))},${round(y(stretch.max))}`);
    const lower = run.map(({ at, stretch }) => `${round(x(at))},${round(y(stretch.min))}`).reverse();
    const mean = run.map(({ at, stretch }) => `${round(x(at))},${round(y(stretch.mean))}`);
    return `<polygon class="band" points="${[...upper, ...lower].join(" ")}"/><polyline class="curve" points="${mean.join(" ")}"/>`;
  });
  return [name, ...grid, ...drawn].join("");
}

interface Placed {
  readonly at: number;
  readonly stretch: NonNullable<Trace["stretches"][number]>;
}

/** Stretches without a gap between them. One that a slow sensor leaves empty is no gap. */
function runsOf(stretches: Trace["stretches"]): readonly (readonly Placed[])[] {
  const placed = stretches.flatMap((stretch, at): Placed[] => (stretch ? [{ at, stretch }] : []));
  const steps = placed.slice(1).map(({ at }, index) => at - placed[index]!.at);
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 1;
  const runs: Placed[][] = [];
  for (const [index, each] of placed.entries()) {
    if (index === 0 || steps[index - 1]! > 2 * usual) runs.push([]);
    runs.at(-1)!.push(each);
  }
  return runs;
}

function booleanStrip({ sensor, field, stretches }: Trace): string {
  const width = PLOT_WIDTH / stretches.length;
  const bars = stretches.flatMap((stretch, at) =>
    stretch && stretch.max > 0
      ? [
          `<rect class="true" x="${round(LEFT + at * width)}" y="4" width="${round(width + 0.3)}" height="${STRIP_HEIGHT - 8}"/>`,
        ]
      : [],
  );
  return `${label(`${sensor}.${field}`, "", STRIP_HEIGHT / 2)}${rail()}${bars.join("")}`;
}

function actuatorStrip({ actuator, spells }: Total, x: (wallMs: number) => number, isOn: IsOn): string {
  const bars = spells
    .filter(({ state }) => isOn(actuator, state))
    .map(
      ({ fromMs, untilMs, state }) =>
        `<rect class="on" x="${round(x(fromMs))}" y="4" width="${round(Math.max(0.8, x(untilMs) - x(fromMs)))}" height="${STRIP_HEIGHT - 8}"><title>${escaped(String(state))}</title></rect>`,
    );
  return `${label(actuator, "", STRIP_HEIGHT / 2)}${rail()}${bars.join("")}`;
}

function rail(): string {
  return `<rect class="rail" x="${LEFT}" y="${STRIP_HEIGHT / 2 - 0.5}" width="${PLOT_WIDTH}" height="1"/>`;
}

/** Marks at round local times, so that midnight is a mark. */
function timeAxis(
  { startWallMs, endWallMs }: DryRun,
  x: (wallMs: number) => number,
  bottom: number,
  timeZone: string | undefined,
): string {
  const tickMs = TICKS_MS.find((ms) => (endWallMs - startWallMs) / ms <= MAX_TICKS) ?? 28 * DAY_MS;
  const zone = timeZone === undefined ? {} : { timeZone };
  const format = new Intl.DateTimeFormat("en-GB", {
    ...zone,
    ...(tickMs < DAY_MS && { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
    ...(tickMs >= DAY_MS && { weekday: "short", day: "numeric", month: "short" }),
  });
  const day = new Intl.DateTimeFormat("en-GB", { ...zone, weekday: "short", day: "numeric", month: "short" });
  const marks: string[] = [];
  let said = "";
  let saidAt = Number.NEGATIVE_INFINITY;
  for (let ms = firstMark(startWallMs, tickMs, timeZone); ms <= endWallMs; ms += tickMs) {
    const at = round(x(ms));
    const date = day.format(ms);
    const fits = Number(at) - saidAt > DATE_WIDTH && Number(at) < WIDTH - DATE_WIDTH / 2;
    const says = tickMs < DAY_MS && date !== said && fits;
    const second = says
      ? `<text class="soft" text-anchor="middle" x="${at}" y="${bottom + 22}">${date}</text>`
      : "";
    if (says) [said, saidAt] = [date, Number(at)];
    marks.push(
      `<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${bottom - 6}"/><text class="soft" text-anchor="middle" x="${at}" y="${bottom + 7}">${format.format(ms)}</text>${second}`,
    );
  }
  return marks.join("");
}

function firstMark(startWallMs: number, tickMs: number, timeZone: string | undefined): number {
  const clock = new Intl.DateTimeFormat("en-GB", {
    ...(timeZone !== undefined && { timeZone }),
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const [hours = 0, minutes = 0] = clock.format(startWallMs).split(":").map(Number);
  const sinceMidnightMs = hours * HOUR_MS + minutes * 60_000 + (startWallMs % 60_000);
  const intoTickMs = sinceMidnightMs % Math.min(tickMs, DAY_MS);
  return startWallMs + (intoTickMs === 0 ? 0 : Math.min(tickMs, DAY_MS) - intoTickMs);
}

function shortened(name: string): string {
  return name.length > 20 ? `${name.slice(0, 19)}…` : name;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
