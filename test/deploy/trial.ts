import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect } from "vitest";
import { startMosquitto } from "../broker/mosquitto.ts";
import { configFolder } from "../process/bundle.ts";
import { subscribe } from "../process/subscriber.ts";

export interface Trial {
  readonly stderr: string;
  /** What the node said of itself at the start. */
  readonly about: { readonly version: string };
}

/**
 * Lets a node run as `command`, with `run --config FILE` behind it: it must bring readings to a real broker and end in order.
 * `patienceMs`: for an emulated processor.
 */
export async function tryOut(command: readonly string[], patienceMs = 20_000): Promise<Trial> {
  const broker = await startMosquitto();
  const subscriber = await subscribe(broker.port);
  const folder = await configFolder(`
device: { id: n1 }
mqtt: { url: "${broker.url}" }
telemetry: { interval: 200ms }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
sensors: [{ id: board, driver: host }]
`);
  const [program = "", ...args] = [...command, "run", "--config", folder.file];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  try {
    const { json: about } = await subscriber.hear("about", () => true, patienceMs);
    const fifth = await subscriber.hear("telemetry/board", ({ json }) => json.seq >= 5, patienceMs);
    expect(fifth.json.time).toMatch(/^\d{4}-/);
    child.kill("SIGTERM");
    const [code, signal] = await once(child, "close");
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(subscriber.heard.at(-1)).toMatchObject({ topic: "status", payload: "offline" });
    return { stderr, about };
  } catch (error) {
    throw new Error(`${command.join(" ")} printed:\n${stderr}`, { cause: error });
  } finally {
    child.kill("SIGKILL");
    await subscriber.end();
    await broker.stop();
    await folder.remove();
  }
}
