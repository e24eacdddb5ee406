import type { CliIo } from "./io.ts";

const WIDTH = 30;

/** Shows on a terminal how far a long piece of work has come; elsewhere shows nothing. */
export interface ProgressBar {
  show(done: number, what: string): void;
  end(): void;
}

export function progressBar(
  { stderr, logsToTty }: Pick<CliIo, "stderr" | "logsToTty">,
  total: number,
): ProgressBar {
  let shown = -1;
  return {
    show(done, what) {
      const percent = Math.floor((100 * done) / Math.max(1, total));
      if (!logsToTty || percent === shown) return;
      shown = percent;
      const full = Math.round((WIDTH * percent) / 100);
      stderr(
        `\r${"█".repeat(full)}${"░".repeat(WIDTH - full)} ${String(percent).padStart(3)} %  ${what}\u001b[K`,
      );
    },
    end() {
      if (logsToTty && shown >= 0) stderr("\r\u001b[K");
    },
  };
}
