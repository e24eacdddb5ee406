import { connectAsync, type MqttClient } from "mqtt";
import { Ledger } from "../../src/audit/ledger.ts";

export interface Heard {
  /** Below the device's topic root. */
  readonly topic: string;
  readonly payload: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever fields it expects
  readonly json: any;
}

/** What a consumer outside hears of one device. */
export interface Subscriber {
  readonly client: MqttClient;
  readonly heard: readonly Heard[];
  readonly ledger: Ledger;
  /** Resolves with the first message, past ones included, that fits. */
  hear(topic: string, fits?: (message: Heard) => boolean, timeoutMs?: number): Promise<Heard>;
  publish(topic: string, payload: string): Promise<void>;
  end(): Promise<void>;
}

export async function subscribe(port: number, device = "n1"): Promise<Subscriber> {
  const client = await connectAsync({
    host: "127.0.0.1",
    port,
    clientId: "consumer",
    clean: false,
    reconnectPeriod: 50,
  });
  const root = `fieldpost/${device}/`;
  const heard: Heard[] = [];
  const ledger = new Ledger(device);
  client.on("message", (topic, payload) => {
    const text = payload.toString();
    heard.push({ topic: topic.slice(root.length), payload: text, json: parsed(text) });
    ledger.observe(topic.slice(root.length), text);
  });
  await client.subscribeAsync(`${root}#`, { qos: 1 });
  return {
    client,
    heard,
    ledger,
    async hear(topic, fits = () => true, timeoutMs = 10_000) {
      const deadlineMs = Date.now() + timeoutMs;
      for (;;) {
        const found = heard.find((message) => message.topic === topic && fits(message));
        if (found) return found;
        if (Date.now() > deadlineMs) throw new Error(`nothing fitting came on ${topic} in ${timeoutMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    publish: async (topic, payload) => {
      await client.publishAsync(root + topic, payload, { qos: 1 });
    },
    end: () => client.endAsync(true),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
