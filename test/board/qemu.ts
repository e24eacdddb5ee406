import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createConnection } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A running emulator. */
export interface Qemu {
  /** One command of the QEMU Machine Protocol; resolves with what it returns. */
  control(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** What the emulator complained of, where it ended by itself; undefined while it runs. */
  ended(): string | undefined;
  stop(): Promise<void>;
}

/** `emulator`: what emulator.sh printed. `folder`: for the control socket. */
export function startQemu(emulator: string, args: readonly string[], folder: string): Qemu {
  const socket = join(folder, "control");
  // Debian 13's program with Debian 13's libraries, on whatever this machine runs.
  const child = spawn(
    join(emulator, "lib64/ld-linux-x86-64.so.2"),
    [
      ...["--library-path", join(emulator, "usr/lib/x86_64-linux-gnu")],
      ...[join(emulator, "usr/bin/qemu-system-aarch64"), "-L", join(emulator, "usr/share/qemu")],
      ...["-display", "none", "-qmp", `unix:${socket},server=on,wait=off`],
      ...args,
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let complaints = "";
  child.stderr.on("data", (data) => {
    complaints += data;
  });
  return {
    async control(command, values = {}) {
      const connection = await talkTo(socket);
      try {
        await connection.answer();
        await connection.ask("qmp_capabilities");
        return await connection.ask(command, values);
      } finally {
        connection.close();
      }
    },
    ended: () => (child.exitCode === null ? undefined : `the emulator ended: ${complaints}`),
    stop: () => end(child),
  };
}

/** QMP and the guest agent speak alike: a JSON object a line, each answered by one with `return` or `error`. */
export interface Conversation {
  ask(execute: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** The next answer; events are passed over. */
  answer(): Promise<unknown>;
  close(): void;
}

export async function talkTo(path: string): Promise<Conversation> {
  const socket = createConnection(path);
  // Whoever waits for an answer hears of it.
  socket.on("error", () => socket.destroy());
  const reader = createInterface({ input: socket });
  socket.once("close", () => reader.close());
  const lines = reader[Symbol.asyncIterator]();
  const answer = async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error("the other side hung up");
      const message = JSON.parse(value);
      if ("error" in message) throw new Error(message.error.desc);
      if ("return" in message || "QMP" in message) return message.return;
    }
  };
  return {
    answer,
    ask(execute, args) {
      socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
      return answer();
    },
    close: () => socket.destroy(),
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}
