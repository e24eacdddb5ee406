/**
 * What is said over the node's local socket: lines of JSON. A request is an object whose `do` names what is asked for;
 * `outbox`, where given, says which node is meant. Each request gets one line back, `{"ok":true,"value":…}` or
 * `{"ok":false,"error":"…"}`, in order. Who does not keep to that gets a last line that says why, and is hung up on.
 */
export interface LocalRequest {
  readonly do: string;
  /** The outbox folder of the node that is meant: another one refuses. */
  readonly outbox?: string;
  readonly [name: string]: unknown;
}

export type LocalAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: string };

/** A request, its line feed included, fits into this. */
export const MAX_REQUEST_BYTES = 4_096;

/** Where a node is found that runs as a service (contract, section 6). */
export const SERVICE_SOCKET = "/run/fieldpost/fieldpost.sock";

/** Where it is found otherwise. The outbox's lock sees to it that one node alone puts it there. */
export function socketInOutbox(outboxPath: string): string {
  return `${outboxPath}/fieldpost.sock`;
}

/** The longest path of a socket: `sun_path` of unix(7) less its final zero. */
export const MAX_SOCKET_PATH_BYTES = 107;

/** Reads a request. Returns what is wrong with it where it is none. */
export function parseRequest(line: string): LocalRequest | string {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return "a request is a JSON object";
    if (!("do" in value) || typeof value.do !== "string") return 'a request needs "do"';
    if ("outbox" in value && typeof value.outbox !== "string") return "outbox: expected a path";
    return value as LocalRequest;
  } catch {
    return "a request is one line of JSON";
  }
}

export function formatLine(message: LocalRequest | LocalAnswer): string {
  return `${JSON.stringify(message)}\n`;
}
