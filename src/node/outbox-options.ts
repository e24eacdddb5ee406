import type { Config } from "../config/config.ts";
import type { OutboxOptions } from "../outbox/open.ts";

/** The outbox as the configuration wants it. */
export function outboxOptions({ buffer }: Pick<Config, "buffer">): OutboxOptions {
  return {
    path: buffer.path,
    maxSizeBytes: buffer.max_size,
    maxAgeMs: buffer.max_age,
    whenFull: buffer.when_full,
    tail: buffer.tail,
    syncAfterMs: buffer.sync_after,
  };
}
