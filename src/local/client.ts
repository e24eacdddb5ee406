import { connect } from "node:net";
import { type Clock, withDeadline } from "../device/clock.ts";
import { Lines } from "./lines.ts";
import { formatLine, type LocalAnswer, type LocalRequest, MAX_SOCKET_PATH_BYTES } from "./protocol.ts";

/** More than the view of the largest node takes. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** Slower than the slowest sensor's reading is nobody. */
const DEADLINE_MS = 30_000;

/** The node said no. */
export class LocalRefusedError extends Error {
  override readonly name = "LocalRefusedError";
}

/**
 * Asks the first node that listens on one of `paths`. Undefined: none does. Rejects with a {@link LocalRefusedError}
 * where it says no, and with an error for people where it cannot be talked to.
 */
export async function askNode(
  paths: readonly string[],
  request: LocalRequest,
  clock: Clock,
): Promise<{ readonly value: unknown } | undefined> {
  for (const path of paths) {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) continue;
    const over = new AbortController();
    try {
      const asking = ask(path, request, over.signal);
      const answer = await withDeadline(clock, `${path}: the node's answer`, DEADLINE_MS, asking);
      if (!answer.ok) throw new LocalRefusedError(answer.error);
      return { value: answer.value };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR" || code === "ENOTSOCK") continue;
      if (code === "EACCES" || code === "EPERM")
        throw new Error(
          `${path}: this user may not talk to the node: try sudo, or become a member of its group`,
          { cause: error },
        );
      throw error;
    } finally {
      over.abort();
    }
  }
  return undefined;
}

function ask(path: string, request: LocalRequest, over: AbortSignal): Promise<LocalAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    over.addEventListener("abort", () => socket.destroy(), { once: true });
    const lines = new Lines(MAX_ANSWER_BYTES);
    socket.once("connect", () => socket.write(formatLine(request)));
    socket.on("error", reject);
    socket.on("data", (chunk: Buffer) => {
      const complete = lines.push(chunk);
      const [line] = complete ?? [];
      if (complete !== undefined && line === undefined) return;
      socket.destroy();
      try {
        if (line === undefined) throw new Error("too long");
        resolve(JSON.parse(line) as LocalAnswer);
      } catch (error) {
        reject(new Error(`${path}: what answers there is no node`, { cause: error }));
      }
    });
    socket.once("close", () => reject(new Error(`${path}: the node hung up without an answer`)));
  });
}
