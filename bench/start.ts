import { rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import mqttPacket, { type Packet } from "mqtt-packet";
import { withBroker } from "./broker.ts";
import { type Bench, median, type Part } from "./figure.ts";
import { runNode, startNode } from "./node-process.ts";

const ROUNDS = 9;

/** How long a node needs from nothing to a record that is safe with the broker. */
export const start: Part = {
  name: "start",
  title: `from process start to the broker's PUBACK, simulated board, new outbox, ${ROUNDS} rounds`,
  measure: (bench) =>
    withBroker({}, async (broker) => {
      const first: number[] = [];
      const record: number[] = [];
      const bare: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        bare.push(await timed(() => runNode(["-e", "0"])));
        const acknowledged = await startOnce(bench, broker.port);
        first.push(acknowledged.firstMs);
        record.push(acknowledged.recordMs);
      }
      bench.progress(`start: ${Math.round(median(first))} ms`);
      const beside = { name: "node -e 0", runs: bare, as: "ratio" } as const;
      return {
        figures: [
          { name: "first PUBACK", unit: "ms", runs: first, beside },
          { name: "first record's PUBACK (event/boot)", unit: "ms", runs: record, beside },
        ],
      };
    }),
};

interface Acknowledged {
  readonly firstMs: number;
  readonly recordMs: number;
}

async function startOnce(bench: Bench, brokerPort: number): Promise<Acknowledged> {
  const wiretap = await tapWire(brokerPort);
  const config = join(bench.folder, "start.yaml");
  const outbox = join(bench.folder, "start-outbox");
  await writeFile(config, yaml(wiretap.port, outbox));
  const startMs = performance.now();
  const node = startNode([bench.bundle, "run", "--simulate", "--config", config]);
  try {
    const { firstAtMs, recordAtMs } = await node.during(wiretap.acknowledged);
    return { firstMs: firstAtMs - startMs, recordMs: recordAtMs - startMs };
  } finally {
    await node.end();
    wiretap.close();
    await rm(outbox, { recursive: true });
  }
}

const yaml = (port: number, outbox: string) => `
device: { id: bench }
mqtt: { url: "mqtt://127.0.0.1:${port}" }
buffer: { path: ${outbox} }
sensors:
  - { id: air, driver: bme280 }
  - { id: soil, driver: ads1115 }
actuators:
  - { id: pump, driver: digital_output, pin: 22 }
`;

interface Wiretap {
  readonly port: number;
  readonly acknowledged: Promise<{ readonly firstAtMs: number; readonly recordAtMs: number }>;
  close(): void;
}

/** Stands between node and broker and sees when the broker acknowledges what. */
async function tapWire(brokerPort: number): Promise<Wiretap> {
  let firstAtMs: number | undefined;
  let recordId: number | undefined;
  let resolve: (at: { firstAtMs: number; recordAtMs: number }) => void;
  const acknowledged = new Promise<{ firstAtMs: number; recordAtMs: number }>((settle) => {
    resolve = settle;
  });
  const fromNode = (packet: Packet) => {
    if (packet.cmd === "publish" && packet.topic.endsWith("/event/boot")) recordId ??= packet.messageId;
  };
  const fromBroker = (packet: Packet) => {
    if (packet.cmd !== "puback") return;
    firstAtMs ??= performance.now();
    if (packet.messageId === recordId) resolve({ firstAtMs, recordAtMs: performance.now() });
  };
  const server = createServer((node) => {
    const broker = connect({ port: brokerPort, host: "127.0.0.1", noDelay: true });
    node.setNoDelay(true);
    for (const [from, to, see] of [
      [node, broker, fromNode],
      [broker, node, fromBroker],
    ] as const) {
      const parser = mqttPacket.parser({ protocolVersion: 5 }).on("packet", see);
      from.on("data", (bytes: Buffer) => {
        to.write(bytes);
        parser.parse(bytes);
      });
      from.on("close", () => to.destroy()).on("error", () => {});
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return { port: (server.address() as AddressInfo).port, acknowledged, close: () => server.close() };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
