import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "vitest";
import type { GuestJob } from "./boot.ts";
import { bundle } from "./bundles.ts";
import { bootGuest } from "./guest.ts";

const LIMIT_S = 60;

interface Outcome {
  readonly name: string;
  /** Absent: it passed. */
  readonly failure?: string;
}

/** Runs a file of `guest/`, written for `node:test`, in a guest; each of its tests becomes one of vitest's. */
export async function guestSuite(file: string, job: Omit<GuestJob, "script"> = {}): Promise<void> {
  const [suite, reporter] = await bundle(file, "reporter.ts");
  const guest = await bootGuest({
    ...job,
    // Ended from inside where it hangs, so that what it found is not lost with the guest.
    script: `busybox timeout -s KILL ${LIMIT_S} ${process.execPath} --test-reporter=${reporter} \
      --test-reporter-destination=/mnt/results/tests.jsonl ${suite}`,
    limitMs: (LIMIT_S + 10) * 1_000,
  });
  try {
    const status = await guest.ended;
    const outcomes = await readOutcomes(join(guest.folder, "tests.jsonl"));
    for (const { name, failure } of outcomes) {
      test(name, () => {
        if (failure !== undefined) throw new Error(failure);
      });
    }
    test("all of it ran", () => {
      const failed = outcomes.some(({ failure }) => failure !== undefined);
      if (status === undefined || (status !== 0 && !failed) || outcomes.length === 0)
        throw new Error(`the guest ended with status ${status}, and printed:\n${guest.printed()}`);
    });
  } finally {
    await guest.remove();
  }
}

async function readOutcomes(file: string): Promise<readonly Outcome[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Outcome);
}
