/** Exit codes (contract, section 1); 64 and 78 are those of sysexits.h. */
export const EXIT = { done: 0, failed: 1, usage: 64, config: 78 } as const;

/** An error for people: one message that says what, where and how to mend it, and the code to exit with. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: number;
  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export function wrongUsage(message: string): CliError {
  return new CliError(EXIT.usage, message);
}
