import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectAsync } from "mqtt";
import { type StartedNode, startNode } from "../../src/node/start.ts";
import { startMosquitto } from "../broker/mosquitto.ts";
import { startProxy } from "../broker/proxy.ts";
import { until } from "../mqtt/field-node.ts";

export const ROOT = "homie/5/n1";

/** Everything below the device's topic, as it came. */
interface Heard {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** A Homie node behind a proxy to a real broker, where somebody hears all that it says. */
export async function startHomieRig() {
  const broker = await startMosquitto();
  const proxy = await startProxy(broker.port);
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-homie-"));
  const heard: Heard[] = [];
  let node: StartedNode | undefined;
  const watcher = await connectAsync({
    host: "127.0.0.1",
    port: broker.port,
    protocolVersion: 5,
    reconnectPeriod: 50,
  });
  watcher.on("message", (topic, payload, { retain }) =>
    heard.push({ topic: topic.slice(ROOT.length + 1), payload: payload.toString(), retain }),
  );
  await watcher.subscribeAsync(`${ROOT}/#`, { qos: 1, rap: true });

  const said = (topic: string) =>
    heard.filter((message) => message.topic === topic).map(({ payload }) => payload);
  const stop = async () => {
    await node?.stop();
    node = undefined;
  };
  return {
    broker,
    proxy,
    watcher,
    heard,
    said,
    /** The numbers of the records, as they came. */
    seqs: () =>
      heard
        .filter(({ topic }) => topic === "air-1/reading" || topic === "node/event")
        .map(({ payload }) => (JSON.parse(payload) as { seq: number }).seq),
    /** Starts the node, and waits until it says that it is ready. `parts`: its sensors, actuators and so on. */
    async start(parts: string, buffer = "") {
      const file = join(folder, "fieldpost.yaml");
      await writeFile(
        file,
        `device: { id: n1, name: North }
mqtt: { url: "mqtt://127.0.0.1:${proxy.port}", convention: homie5, keepalive: 1s, reconnect: { min: 20ms, max: 100ms } }
telemetry: { interval: 200ms }
buffer: { path: ${folder}/outbox, max_size: 16MiB${buffer} }
${parts}
`,
      );
      const from = heard.length;
      node = await startNode({ config: file, simulate: true });
      const isReady = () =>
        heard.slice(from).some(({ topic, payload }) => topic === "$state" && payload === "ready");
      await until(isReady, 10_000, "ready");
    },
    stop,
    set: (property: string, payload: string, retain = false) =>
      watcher.publishAsync(`${ROOT}/${property}/set`, payload, { qos: 1, retain }),
    /** Waits until the last value of a property is this one. */
    shows: (property: string, payload: string) =>
      until(
        () => said(property).at(-1) === payload,
        10_000,
        () => `${property} ${payload}, but ${said(property).join()}`,
      ),
    async close() {
      await stop();
      await watcher.endAsync(true);
      await proxy.close();
      await broker.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type HomieRig = Awaited<ReturnType<typeof startHomieRig>>;
