import { DeadlineError, withDeadline } from "../device/clock.ts";
import { type Check, DEFAULT_LIMIT_MS, type Diagnosis, failed, skipped } from "./check.ts";
import type { Patient } from "./patient.ts";

/** A check that has ended. */
export interface Examined {
  readonly check: Check;
  readonly diagnoses: readonly Diagnosis[];
}

/**
 * All checks, side by side, each within its time; in their order, as soon as those before are done. `onEnd` is told of
 * each as it ends, with those that have not.
 */
export async function* examine(
  checks: readonly Check[],
  patient: Patient,
  onEnd: (pending: readonly Check[]) => void = () => {},
): AsyncGenerator<Examined> {
  const pending = new Set(checks);
  const running = checks.map(async (check) => {
    const diagnoses = await diagnose(check, patient);
    pending.delete(check);
    onEnd([...pending]);
    return { check, diagnoses };
  });
  onEnd(checks);
  for (const each of running) yield await each;
}

/** Never rejects: what cannot be looked at is a diagnosis, too. */
async function diagnose(check: Check, patient: Patient): Promise<readonly Diagnosis[]> {
  const { title, limitMs = DEFAULT_LIMIT_MS } = check;
  const missing = whatIsMissing(check, patient);
  if (missing !== undefined) return [skipped(title, missing)];
  try {
    return await withDeadline(patient.clock, title, limitMs, check.run(patient));
  } catch (error) {
    if (error instanceof DeadlineError) return [failed(title, `no end within ${limitMs / 1000} s`)];
    return [failed(title, `cannot be looked at: ${(error as Error).message}`)];
  }
}

function whatIsMissing({ needs }: Check, { simulated, machine, brokers }: Patient): string | undefined {
  if (needs === "board" && simulated) return "the board is simulated";
  if ((needs === "board" || needs === "linux") && !machine.isLinux) return "this is no Linux";
  if (needs === "broker" && brokers.length === 0) return "--offline";
  return undefined;
}
