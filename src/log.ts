/** What a log line may carry beside its message: plain values, never a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where the parts of a node say what people should know. The implementation belongs to the process edge. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** What is said of something thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
