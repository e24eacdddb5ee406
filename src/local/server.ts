import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../device/clock.ts";
import { type Log, messageOf } from "../log.ts";
import { Lines } from "./lines.ts";
import {
  formatLine,
  type LocalAnswer,
  type LocalRequest,
  MAX_REQUEST_BYTES,
  MAX_SOCKET_PATH_BYTES,
  parseRequest,
} from "./protocol.ts";

/** Who asks at once: a person, a monitor, a page or two. */
const MAX_CONNECTIONS = 8;

/** A connection on which nothing happens for so long is somebody's who has forgotten it. */
const IDLE_MS = 10_000;

/** Requests of one connection that wait for their turn. */
const MAX_WAITING = 16;

/** The node's user, and its group: whoever may talk to the node may move its outputs. */
const MODE = 0o660;

export interface LocalServerOptions {
  /** Tried in turn: the first where a socket can be made is taken. */
  readonly paths: readonly string[];
  /** Rejects, with an error for people, where the answer is no. */
  readonly answer: (request: LocalRequest) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface LocalServer {
  /** Where it listens; undefined: nowhere, and the log says why. */
  readonly path: string | undefined;
  /** Hangs up on everybody and removes the socket. */
  close(): Promise<void>;
}

/** Serves the local socket. Never fatal: a node that nobody can talk to locally goes on as well as any. */
export async function serveLocal({ paths, answer, clock, log }: LocalServerOptions): Promise<LocalServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (sockets.size >= MAX_CONNECTIONS) {
      socket.end(formatLine({ ok: false, error: "busy: too many are asking" }));
      return socket.destroySoon();
    }
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    converse(socket, answer, clock);
  });
  const refusals: string[] = [];
  for (const path of paths) {
    const refusal = await listenAt(server, path);
    if (refusal !== undefined) {
      refusals.push(`${path}: ${refusal}`);
      continue;
    }
    log.debug("listening on the local socket", { path });
    return {
      path,
      close: () =>
        new Promise((resolve) => {
          // Removes the file too.
          server.close(() => resolve());
          for (const socket of sockets) socket.destroy();
        }),
    };
  }
  log.warn("there is no local socket: fieldpost status cannot reach this node", {
    error: refusals.join("; "),
  });
  return { path: undefined, close: async () => {} };
}

/** Returns why not, where it cannot be. What a dead node left behind is replaced, what somebody listens on is not. */
async function listenAt(server: Server, path: string): Promise<string | undefined> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
    return `longer than the ${MAX_SOCKET_PATH_BYTES} bytes that a socket's path may have`;
  let refusal = await tryToListen(server, path);
  if (refusal?.code === "EADDRINUSE") {
    const why = await clearAway(path);
    if (why !== undefined) return why;
    refusal = await tryToListen(server, path);
  }
  if (refusal) return refusal.code ?? refusal.message;
  try {
    chmodSync(path, MODE);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
  return undefined;
}

function tryToListen(server: Server, path: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) => {
      server.off("listening", listens);
      resolve(error);
    };
    const listens = () => {
      server.off("error", failed);
      resolve(undefined);
    };
    server.once("error", failed).once("listening", listens);
    server.listen(path);
  });
}

/** Removes a socket that nobody listens on any more. Returns why it must stay otherwise. */
async function clearAway(path: string): Promise<string | undefined> {
  try {
    if (!lstatSync(path).isSocket()) return "something else has this name";
    if (await isAnswered(path)) return "another node listens there";
    unlinkSync(path);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") resolve(false);
      else reject(error);
    });
  });
}

/** One request after the other; whoever asks faster than it is answered waits, within bounds. */
function converse(socket: Socket, answer: LocalServerOptions["answer"], clock: Clock): void {
  const lines = new Lines(MAX_REQUEST_BYTES);
  const waiting: string[] = [];
  let busy = false;
  let idle = new AbortController();

  const watch = () => {
    idle.abort();
    idle = new AbortController();
    const { signal } = idle;
    void clock.sleep(IDLE_MS, signal).then(() => {
      if (!signal.aborted && !busy) socket.destroy();
    });
  };
  const hangUp = (error: string) => {
    socket.pause();
    waiting.length = 0;
    socket.end(formatLine({ ok: false, error }));
    socket.destroySoon();
  };

  async function work(): Promise<void> {
    busy = true;
    for (let line = waiting.shift(); line !== undefined; line = waiting.shift()) {
      const reply = await replyTo(line, answer);
      if (socket.destroyed || socket.writableEnded) break;
      // One who does not read gets nothing more until it does, and is forgotten as idle.
      if (!socket.write(formatLine(reply))) await drained(socket, clock);
    }
    busy = false;
    watch();
  }

  watch();
  socket.on("data", (chunk: Buffer) => {
    watch();
    const complete = lines.push(chunk);
    if (complete === undefined) return hangUp(`a request has at most ${MAX_REQUEST_BYTES} bytes`);
    waiting.push(...complete.filter((line) => line.trim() !== ""));
    if (waiting.length > MAX_WAITING) return hangUp("too many requests at once");
    if (!busy) void work();
  });
  socket.once("close", () => idle.abort());
}

async function drained(socket: Socket, clock: Clock): Promise<void> {
  const over = new AbortController();
  const done = () => over.abort();
  socket.once("drain", done).once("close", done);
  await clock.sleep(IDLE_MS, over.signal);
  socket.off("drain", done).off("close", done);
  if (!over.signal.aborted) socket.destroy();
}

async function replyTo(line: string, answer: LocalServerOptions["answer"]): Promise<LocalAnswer> {
  const request = parseRequest(line);
  if (typeof request === "string") return { ok: false, error: request };
  try {
    return { ok: true, value: await answer(request) };
  } catch (error) {
    return { ok: false, error: messageOf(error) };
  }
}
