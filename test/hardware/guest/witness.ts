import { connectAsync } from "mqtt";

/** Prints what the broker at `PORT` hands out: `heard TOPIC PAYLOAD`, a line each, onto the console outside. */
const client = await connectAsync({ host: "127.0.0.1", port: Number(process.argv[2]), reconnectPeriod: 0 });
client.on("message", (topic, payload) => process.stdout.write(`heard ${topic} ${payload}\n`));
client.on("close", () => process.exit());
await client.subscribeAsync("fieldpost/n1/#", { qos: 1 });
process.stdout.write("the witness listens\n");
