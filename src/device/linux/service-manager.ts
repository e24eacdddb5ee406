import type { Clock } from "../clock.ts";
import { type Addon, findAddon } from "./addon.ts";

/** The service manager that started this process and waits for its word (sd_notify(3), `Type=notify`). */
export interface ServiceManager {
  /** The service does its work; `status` is what `systemctl status` shows. */
  ready(status: string): void;
  /** Reads its configuration again; {@link ready} ends that. */
  reloading(): void;
  stopping(): void;
  /**
   * Says every so often that the process is well, as long as `check` finds nothing, until `signal` aborts. A manager
   * that hears nothing for its `WatchdogSec=` kills the service and starts it again.
   */
  keepAlive(check: () => string | undefined, signal: AbortSignal): Promise<void>;
}

export interface ServiceManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock: Clock;
  /** Told what `check` found, when that changes. */
  readonly onUnwell: (finding: string | undefined) => void;
  /** Default: the native part; undefined: there is none. */
  readonly addon?: Pick<Addon, "sdNotify"> | undefined;
}

/** Of three words one may be lost or late. */
const WORDS_PER_WINDOW = 3;

/** Undefined where no manager listens, or nothing can be said to it. */
export function findServiceManager(options: ServiceManagerOptions): ServiceManager | undefined {
  const { env, pid, clock, onUnwell } = options;
  if (!env["NOTIFY_SOCKET"]) return undefined;
  const addon = "addon" in options ? options.addon : findAddon();
  if (!addon) return undefined;
  /** What a manager does not hear is its loss: the node works, and stops in order, without it. */
  const tell = (text: string) => {
    try {
      addon.sdNotify(text);
    } catch {
      // It has gone (ENOENT, ECONNREFUSED) or does not keep up (EAGAIN). A watchdog's next word comes soon.
    }
  };
  const everyMs = watchdogMs(env, pid) / WORDS_PER_WINDOW;
  return {
    ready: (status) => tell(`READY=1\nSTATUS=${status}`),
    // Microseconds of CLOCK_MONOTONIC: the manager tells this reload from an earlier one by them.
    reloading: () => tell(`RELOADING=1\nMONOTONIC_USEC=${Math.round(clock.monotonicMs() * 1000)}`),
    stopping: () => tell("STOPPING=1"),
    async keepAlive(check, signal) {
      let found: string | undefined;
      while (Number.isFinite(everyMs) && !signal.aborted) {
        const dueMs = clock.monotonicMs() + everyMs;
        const finding = check();
        if (finding !== found) onUnwell(finding);
        found = finding;
        if (finding === undefined) tell("WATCHDOG=1");
        await clock.sleep(dueMs - clock.monotonicMs(), signal);
      }
    },
  };
}

/** How long the manager waits (sd_watchdog_enabled(3)); Infinity: for ever. */
function watchdogMs(env: ServiceManagerOptions["env"], pid: number): number {
  const forOther = env["WATCHDOG_PID"] !== undefined && Number(env["WATCHDOG_PID"]) !== pid;
  const microseconds = Number(env["WATCHDOG_USEC"] ?? 0);
  return forOther || !(microseconds > 0) ? Number.POSITIVE_INFINITY : microseconds / 1000;
}
