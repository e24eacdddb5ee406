import { writeFileSync } from "node:fs";
import { connectAsync } from "mqtt";

/**
 * Prints what the broker at port `argv[2]` hands out onto the console outside: `heard TOPIC PAYLOAD`, a line each; of
 * readings, which may be long, only which they are. Makes the file `argv[3]` when it listens.
 */
const [port, listening] = process.argv.slice(2);
const client = await connectWhenThere(Number(port));
client.on("message", (topic, payload) =>
  process.stdout.write(`heard ${topic} ${brief(topic, payload.toString())}\n`),
);
client.on("close", () => process.exit());
await client.subscribeAsync("fieldpost/n1/#", { qos: 1 });
writeFileSync(listening!, "");

async function connectWhenThere(port: number) {
  for (;;) {
    try {
      return await connectAsync({ host: "127.0.0.1", port, reconnectPeriod: 0 });
    } catch {
      // The broker is still starting.
    }
  }
}

function brief(topic: string, payload: string): string {
  if (!topic.includes("/telemetry/")) return payload;
  const { seq, time } = JSON.parse(payload);
  return JSON.stringify({ seq, time });
}
