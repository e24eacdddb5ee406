/** What a command sees of the process: data goes to stdout, everything for people's eyes beside it to stderr. */
export interface CliIo {
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether stdout is a terminal. */
  readonly isTty: boolean;
  /** Whether stderr is one: logs go there. */
  readonly logsToTty?: boolean;
  /** Width of that terminal; 80 where there is none. */
  readonly columns: number;
}

export function processIo(): CliIo {
  return {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    env: process.env,
    cwd: process.cwd(),
    isTty: process.stdout.isTTY === true,
    logsToTty: process.stderr.isTTY === true,
    columns: process.stdout.columns ?? 80,
  };
}

/** Whether to paint: on a terminal, unless the person asked for none (https://no-color.org). */
export function wantsColor({ isTty, env }: CliIo): boolean {
  return isTty && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}
