import type { PresetName } from "./settings.ts";

/** What the documentation of a broker states that it does not announce, or not in every version of MQTT. */
export interface Preset {
  /** As people know it. */
  readonly title: string;
  readonly maximumPayloadBytes: number;
  readonly maximumRetainedBytes?: number;
  readonly maximumQos: 0 | 1 | 2;
  /** Unacknowledged messages on their way to the broker. */
  readonly inFlight?: number;
  readonly publishesPerSecond?: number;
  readonly subscribesPerSecond?: number;
  readonly filtersPerSubscribe?: number;
  readonly keepaliveSeconds?: { readonly min: number; readonly max: number };
  readonly sessionExpirySeconds?: number;
  readonly willDelaySeconds?: number;
  readonly reconnectSeconds?: number;
  readonly clientIdBytes: number;
  readonly topicBytes: number;
  readonly topicLevels?: number;
  /** Takes nothing but TLS. */
  readonly tlsOnly: boolean;
  /** What TLS has to ask for at port 443, where MQTT shares it with others. */
  readonly alpn443?: string;
}

/** Where each number is from stands in docs/brokers.md. */
export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  aws_iot_core: {
    title: "AWS IoT Core",
    maximumPayloadBytes: 128 * 1024,
    maximumQos: 1,
    inFlight: 100,
    publishesPerSecond: 100,
    filtersPerSubscribe: 8,
    keepaliveSeconds: { min: 30, max: 1_200 },
    sessionExpirySeconds: 3_600,
    reconnectSeconds: 1,
    clientIdBytes: 128,
    topicBytes: 256,
    topicLevels: 8,
    tlsOnly: true,
    alpn443: "x-amzn-mqtt-ca",
  },
  azure_event_grid: {
    title: "Azure Event Grid",
    // The packet may have 512 KiB; so much of it for topic and properties.
    maximumPayloadBytes: 511 * 1024,
    maximumRetainedBytes: 64 * 1024,
    maximumQos: 1,
    publishesPerSecond: 100,
    subscribesPerSecond: 5,
    filtersPerSubscribe: 10,
    keepaliveSeconds: { min: 1, max: 1_160 },
    sessionExpirySeconds: 8 * 3_600,
    willDelaySeconds: 300,
    clientIdBytes: 65_535,
    topicBytes: 256,
    topicLevels: 8,
    tlsOnly: true,
  },
  emqx: {
    title: "EMQX",
    maximumPayloadBytes: 1023 * 1024,
    maximumQos: 2,
    clientIdBytes: 65_535,
    topicBytes: 65_535,
    topicLevels: 128,
    tlsOnly: false,
  },
  hivemq: {
    title: "HiveMQ",
    maximumPayloadBytes: 255 * 1024 * 1024,
    maximumQos: 2,
    inFlight: 10,
    clientIdBytes: 65_535,
    topicBytes: 65_535,
    tlsOnly: false,
  },
};
