/** One fleet's curve; times in milliseconds since the broker was lost. */
export interface Curve {
  readonly name: string;
  readonly attempts: readonly number[];
  readonly connects: readonly number[];
}

export interface StormPlot {
  readonly title: string;
  readonly outageMs: number;
  readonly curves: readonly Curve[];
}

const WIDTH = 760;
const PANEL_HEIGHT = 170;
const PANEL_GAP = 46;
const TOP = 62;
const LEFT = 62;
const RIGHT = 18;
const BOTTOM = 46;
const BIN_MS = 1_000;
const ATTEMPT = "#d9a441";
const CONNECT = "#1f6f8b";
const AWAY = "#f3e3e3";

/** Connections a second over time, one panel a fleet, all on the same axes. */
export function plotStorm({ title, outageMs, curves }: StormPlot): string {
  const endMs = Math.max(...curves.flatMap(({ attempts, connects }) => [...attempts, ...connects])) + BIN_MS;
  const bins = Math.ceil(endMs / BIN_MS);
  const panels = curves.map(({ name, attempts, connects }) => ({
    name,
    attempts: histogram(attempts, bins),
    connects: histogram(connects, bins),
  }));
  const most = Math.max(...panels.flatMap(({ attempts, connects }) => [...attempts, ...connects]));
  const scale = { bins, step: niceStep(most / 4), most: 0 };
  scale.most = Math.ceil(most / scale.step) * scale.step;
  const height = TOP + panels.length * PANEL_HEIGHT + (panels.length - 1) * PANEL_GAP + BOTTOM;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12" fill="#222">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(LEFT, 22, title, 'font-size="15" font-weight="bold"'),
    ...legend(LEFT, 38),
    ...panels.flatMap((panel, at) =>
      drawPanel(panel, TOP + at * (PANEL_HEIGHT + PANEL_GAP), outageMs, scale),
    ),
    text(
      (LEFT + WIDTH - RIGHT) / 2,
      height - 8,
      "time since the broker was lost (s)",
      'text-anchor="middle"',
    ),
    "</svg>",
    "",
  ].join("\n");
}

interface Panel {
  readonly name: string;
  readonly attempts: readonly number[];
  readonly connects: readonly number[];
}

interface Scale {
  readonly bins: number;
  readonly most: number;
  readonly step: number;
}

function drawPanel(
  { name, attempts, connects }: Panel,
  top: number,
  outageMs: number,
  scale: Scale,
): string[] {
  const bottom = top + PANEL_HEIGHT;
  const x = (bin: number) => round(LEFT + (bin / scale.bins) * (WIDTH - LEFT - RIGHT));
  const y = (value: number) => round(bottom - (value / scale.most) * PANEL_HEIGHT);
  const bars = (values: readonly number[], color: string) =>
    `<path fill="${color}" d="${values
      .flatMap((value, bin) =>
        value === 0 ? [] : [`M${x(bin)} ${bottom}V${y(value)}H${x(bin + 1)}V${bottom}Z`],
      )
      .join("")}"/>`;
  const ticks: string[] = [];
  for (let value = 0; value <= scale.most; value += scale.step)
    ticks.push(
      `<path stroke="#ddd" d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}"/>`,
      text(LEFT - 6, y(value) + 4, String(value), 'text-anchor="end"'),
    );
  const every = niceStep(scale.bins / 8);
  const seconds: string[] = [];
  for (let second = 0; second <= scale.bins; second += every)
    seconds.push(
      `<path stroke="#222" d="M${x(second)} ${bottom}v4"/>`,
      text(x(second), bottom + 17, String(second), 'text-anchor="middle"'),
    );
  return [
    `<rect x="${LEFT}" y="${top}" width="${round(x(outageMs / BIN_MS) - LEFT)}" height="${PANEL_HEIGHT}" fill="${AWAY}"/>`,
    ...ticks,
    bars(attempts, ATTEMPT),
    bars(connects, CONNECT),
    `<path stroke="#222" fill="none" d="M${LEFT} ${top}V${bottom}H${WIDTH - RIGHT}"/>`,
    ...seconds,
    text(
      WIDTH - RIGHT,
      top - 6,
      `${name}: at most ${Math.max(...connects)} connections/s`,
      'text-anchor="end"',
    ),
    `<text transform="translate(16 ${top + PANEL_HEIGHT / 2}) rotate(-90)" text-anchor="middle">per second</text>`,
  ];
}

function legend(x: number, y: number): string[] {
  const entry = (at: number, color: string, words: string) => [
    `<rect x="${at}" y="${y - 9}" width="10" height="10" fill="${color}"/>`,
    text(at + 15, y, words),
  ];
  return [
    ...entry(x, AWAY, "broker away"),
    ...entry(x + 110, ATTEMPT, "attempts to connect"),
    ...entry(x + 260, CONNECT, "connections made"),
  ];
}

function histogram(times: readonly number[], bins: number): number[] {
  const counts = new Array<number>(bins).fill(0);
  for (const time of times) counts[Math.floor(time / BIN_MS)]!++;
  return counts;
}

/** 1, 2 or 5 times a power of ten, and not below `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? 10 * power;
}

function text(x: number, y: number, words: string, attributes = ""): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
