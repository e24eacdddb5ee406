import { linuxClock } from "../device/linux/clock.ts";
import { askNode, LocalRefusedError } from "../local/client.ts";
import { type LocalRequest, SERVICE_SOCKET, socketInOutbox } from "../local/protocol.ts";
import { CliError, EXIT } from "./exit.ts";

/** Asks the node that runs with this outbox. Undefined: none answers. Its refusals and its silence are errors for people. */
export async function askNodeOn(
  outboxPath: string,
  request: LocalRequest,
): Promise<{ readonly value: unknown } | undefined> {
  // Its own socket first: on the service's another node may answer.
  const own = await ask([socketInOutbox(outboxPath)], { ...request, outbox: outboxPath });
  return own ?? (await ask([SERVICE_SOCKET], { ...request, outbox: outboxPath }));
}

export async function ask(
  paths: readonly string[],
  request: LocalRequest,
): Promise<{ readonly value: unknown } | undefined> {
  try {
    return await askNode(paths, request, linuxClock());
  } catch (error) {
    const { message } = error as Error;
    throw new CliError(EXIT.failed, error instanceof LocalRefusedError ? message : `the node: ${message}`, {
      cause: error,
    });
  }
}
