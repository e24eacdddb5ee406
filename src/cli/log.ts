import type { Log, LogFields } from "../log.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const COLOURS: Readonly<Record<LogLevel, string>> = { debug: "2", info: "36", warn: "33", error: "31" };

export interface LogOptions {
  readonly write: (line: string) => void;
  readonly level: LogLevel;
  /** Human-readable where a person reads along; otherwise one JSON object per line. */
  readonly human: boolean;
  readonly color: boolean;
  readonly wallMs: () => number;
}

export function createLog({ write, level, human, color, wallMs }: LogOptions): Log {
  const threshold = LEVELS.indexOf(level);
  const format = human ? formatHuman(color) : formatJson;
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (LEVELS.indexOf(level) >= threshold) write(`${format(new Date(wallMs()), level, message, fields)}\n`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function formatJson(time: Date, level: LogLevel, message: string, fields: LogFields = {}): string {
  return JSON.stringify({ time: time.toISOString(), level, message, ...fields });
}

function formatHuman(color: boolean) {
  const paint = (code: string, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  return (time: Date, level: LogLevel, message: string, fields: LogFields = {}): string => {
    const clock = paint("2", time.toTimeString().slice(0, 8));
    const extras = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => paint("2", `${key}=${quoted(value)}`));
    return [clock, paint(COLOURS[level], level.padEnd(5)), message, ...extras].join(" ");
  };
}

function quoted(value: string | number | boolean | undefined): string {
  const text = String(value);
  return /[\s"]/.test(text) ? JSON.stringify(text) : text;
}
