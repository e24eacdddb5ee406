import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { configFolder, startBundle } from "./bundle.ts";

/** Node.js has no datagram sockets of the local kind; systemd listens on one. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("listening", flush=True)
while True: print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;

test("the service manager hears that the node is ready, is well, reads its configuration again, and stops", async () => {
  const folder = await configFolder(`
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:1" }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
`);
  const socket = join(folder.folder, "notify");
  const listener = spawn("python3", ["-c", LISTENER, socket], { stdio: ["ignore", "pipe", "inherit"] });
  let heard = "";
  listener.stdout.on("data", (data) => {
    heard += data;
  });
  const hears = async (text: string) => {
    const deadlineMs = Date.now() + 10_000;
    while (!heard.includes(text)) {
      if (Date.now() > deadlineMs)
        throw new Error(`the service manager did not hear ${text}, but:\n${heard}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await hears("listening");
  const node = startBundle(["run", "--simulate", "--config", folder.file], {
    NOTIFY_SOCKET: socket,
    WATCHDOG_USEC: "300000",
  });
  await hears("READY=1 STATUS=n1: running");
  await hears("WATCHDOG=1\nWATCHDOG=1\nWATCHDOG=1");
  heard = "";
  node.child.kill("SIGHUP");
  await hears("RELOADING=1 MONOTONIC_USEC=");
  await hears("READY=1");
  expect(await node.end("SIGTERM")).toMatchObject({ code: 0 });
  await hears("STOPPING=1");
  listener.kill();
  await once(listener, "close");
  await folder.remove();
});
