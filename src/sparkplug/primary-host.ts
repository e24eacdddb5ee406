import { isMap } from "../config/item.ts";

/** The host application without which a node says nothing (section 5.4). */
export interface PrimaryHost {
  online(): boolean;
  /** Takes a message of its STATE topic; returns what it is from now on, `undefined` where the message says nothing new. */
  hear(payload: Uint8Array): "online" | "offline" | undefined;
  /** With a new connection nothing is known until the broker shows the retained state. */
  forget(): void;
  /** Resolves when it is online, or `signal` aborts. */
  whenOnline(signal: AbortSignal): Promise<void>;
}

const MAX_STATE_BYTES = 1_024;

export function createPrimaryHost(): PrimaryHost {
  let isOnline = false;
  let newestMs = Number.NEGATIVE_INFINITY;
  let wake = () => {};
  return {
    online: () => isOnline,
    hear(payload) {
      const state = parseState(payload);
      // Of an earlier life of the host: its will may come after its return.
      if (state === undefined || state.timestampMs < newestMs) return undefined;
      newestMs = state.timestampMs;
      isOnline = state.online;
      if (isOnline) wake();
      return isOnline ? "online" : "offline";
    },
    forget() {
      isOnline = false;
      // Another broker's host, or one whose clock was set right: what is retained there is the truth.
      newestMs = Number.NEGATIVE_INFINITY;
    },
    async whenOnline(signal) {
      while (!isOnline && !signal.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
    },
  };
}

/** `{"online":true,"timestamp":1486144502122}`; undefined where it is anything else. */
function parseState(
  payload: Uint8Array,
): { readonly online: boolean; readonly timestampMs: number } | undefined {
  if (payload.length > MAX_STATE_BYTES) return undefined;
  try {
    const state: unknown = JSON.parse(Buffer.from(payload).toString());
    if (!isMap(state)) return undefined;
    const { online, timestamp } = state;
    if (typeof online !== "boolean" || !Number.isFinite(timestamp)) return undefined;
    return { online, timestampMs: timestamp as number };
  } catch {
    return undefined;
  }
}
