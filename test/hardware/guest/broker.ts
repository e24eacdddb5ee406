import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Aedes } from "aedes";

/**
 * A broker at port 1883 that lives for `argv[2]` seconds and makes the file `argv[3]` when it listens. What it gets it prints before it acknowledges it, so that
 * the console outside knows of all that was delivered: `heard TOPIC PAYLOAD`, a line each; of readings, which may be
 * long, only which they are.
 */
const broker = await Aedes.createBroker();
broker.authorizePublish = (_client, { topic, payload }, authorized) => {
  process.stdout.write(`heard ${topic} ${brief(topic, payload.toString())}\n`);
  authorized(null);
};
createServer(broker.handle).listen(1883, "127.0.0.1", () => writeFileSync(process.argv[3]!, ""));
await sleep(Number(process.argv[2]) * 1_000);
process.exit();

function brief(topic: string, payload: string): string {
  if (!topic.includes("/telemetry/")) return payload;
  const { seq, time, clock } = JSON.parse(payload);
  return JSON.stringify({ seq, time, clock });
}
