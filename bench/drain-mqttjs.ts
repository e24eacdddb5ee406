// A process of its own: publishes with MQTT.js alone what an outbox holds; prints how long that took.
// Arguments: folder, port, number of records, window.
import { connectAsync } from "mqtt";
import { linuxClock } from "../src/device/linux/clock.ts";
import { toJson } from "../src/record/json.ts";
import { decodeSample } from "../src/record/record.ts";
import { sampleTime } from "../src/record/time.ts";
import { openStore } from "./store.ts";

const [folder, port, records, window] = process.argv.slice(2);
const messages = await messagesIn(folder!, Number(records));
const client = await connectAsync({
  host: "127.0.0.1",
  port: Number(port),
  protocolVersion: 5,
  clientId: "drain",
});

const startMs = performance.now();
const startCpu = process.cpuUsage();
let firstMs: number | undefined;
await new Promise<void>((resolve) => {
  let sent = 0;
  let acknowledged = 0;
  const publish = () => {
    const { topic, payload } = messages[sent++]!;
    client.publish(topic, payload, { qos: 1 }, (error) => {
      if (error) throw error;
      firstMs ??= performance.now() - startMs;
      if (++acknowledged === messages.length) resolve();
      if (sent < messages.length) publish();
    });
  };
  for (let slot = 0; slot < Number(window); slot++) publish();
});
const tookMs = performance.now() - startMs;
const { user, system } = process.cpuUsage(startCpu);
process.stdout.write(JSON.stringify({ tookMs, cpuMs: (user + system) / 1000, firstMs }));
await client.endAsync();

async function messagesIn(folder: string, count: number) {
  const clock = linuxClock();
  const outbox = await openStore(folder);
  const messages = outbox.peek(1, count).map(({ seq, record }) => {
    const sample = decodeSample(record);
    const json = toJson(seq, sampleTime(sample, clock), sample);
    // Through a buffer, so that no string is left to be put together while the clock runs.
    return { topic: `fieldpost/bench/${sample.topic}`, payload: Buffer.from(json).toString() };
  });
  await outbox.close();
  if (messages.length !== count) throw new Error(`the outbox holds ${messages.length} of ${count} records`);
  return messages;
}
