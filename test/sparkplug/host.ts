import { createRequire } from "node:module";
import { connectAsync } from "mqtt";

const { get } = createRequire(import.meta.url)("sparkplug-payload") as {
  get(namespace: "spBv1.0"): {
    encodePayload(payload: unknown): Uint8Array;
    decodePayload(bytes: Uint8Array): Decoded;
  };
};
/** Eclipse Tahu's library: what this node writes is read by it, and the other way round. */
export const tahu = get("spBv1.0");

export interface DecodedMetric {
  readonly name?: string;
  readonly alias?: unknown;
  readonly type: string;
  readonly value: unknown;
  readonly timestamp?: unknown;
  readonly isHistorical?: boolean;
  readonly isNull?: boolean;
  readonly properties?: Readonly<Record<string, { readonly type: string; readonly value: unknown }>>;
}

export interface Decoded {
  readonly timestamp?: unknown;
  readonly seq?: unknown;
  readonly metrics: readonly DecodedMetric[];
}

export interface Heard extends Decoded {
  readonly verb: string;
  readonly device: string | undefined;
  readonly retain: boolean;
}

/** A host that is strict: it counts sequence numbers that are not the next one, and data of whom it has no birth. */
export async function startHost(url: string, group: string, node: string) {
  const heard: Heard[] = [];
  const faults: string[] = [];
  const births = new Map<string, Map<number, string>>();
  let next: number | undefined;
  const client = await connectAsync(url, { clientId: `host-${node}` });
  client.on("message", (topic, payload, { retain }) => {
    const [, , verb = "", , device] = topic.split("/");
    if (verb === "STATE" || verb.endsWith("CMD")) return;
    const decoded = tahu.decodePayload(payload);
    heard.push({ ...decoded, verb, device, retain });
    const seq = decoded.seq === undefined || decoded.seq === null ? undefined : Number(decoded.seq);
    if (verb === "NDEATH") {
      next = undefined;
      births.clear();
      return;
    }
    if (verb === "NBIRTH") {
      births.clear();
      if (seq !== 0) faults.push(`NBIRTH with seq ${seq}`);
    } else if (seq !== next) faults.push(`${topic}: seq ${seq} in place of ${next}`);
    next = ((seq ?? 0) + 1) % 256;
    const aliases = new Map<number, string>();
    if (verb.endsWith("BIRTH")) {
      for (const { alias, name = "" } of decoded.metrics) if (alias) aliases.set(Number(alias), name);
      births.set(device ?? "", aliases);
    } else if (verb === "DDEATH") births.delete(device ?? "");
    else {
      const known = births.get(device ?? "");
      if (!known) faults.push(`${topic}: no birth`);
      for (const { alias, name } of decoded.metrics)
        if (name || !known?.has(Number(alias))) faults.push(`${topic}: alias ${String(alias)} is not known`);
    }
  });
  await client.subscribeAsync(`spBv1.0/${group}/+/${node}/#`, { qos: 1 });
  const named = new Map<number, string>();
  return {
    heard,
    faults,
    client,
    /** What a metric said, in the order of the messages. */
    values(device: string | undefined, metric: string): { value: unknown; historical: boolean }[] {
      for (const { verb, metrics } of heard)
        if (verb.endsWith("BIRTH"))
          for (const { alias, name = "" } of metrics) if (alias) named.set(Number(alias), name);
      return heard
        .filter((message) => message.device === device && message.verb.endsWith("DATA"))
        .flatMap(({ metrics }) => metrics)
        .filter(({ alias }) => named.get(Number(alias)) === metric)
        .map(({ value, isHistorical }) => ({ value, historical: isHistorical === true }));
    },
    command: (topic: string, metrics: readonly unknown[]) =>
      client.publishAsync(topic, Buffer.from(tahu.encodePayload({ timestamp: Date.now(), metrics })), {
        qos: 0,
      }),
    state: (id: string, online: boolean, timestamp: number) =>
      client.publishAsync(`spBv1.0/STATE/${id}`, JSON.stringify({ online, timestamp }), {
        qos: 1,
        retain: true,
      }),
    stop: () => client.endAsync(true),
  };
}
