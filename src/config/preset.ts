import { PRESETS, type Preset } from "../mqtt/broker/presets.ts";
import { isLocal, isSecure } from "../mqtt/broker/server.ts";
import type { PresetName } from "../mqtt/broker/settings.ts";
import { type Finding, wrongValue } from "./finding.ts";
import { isMap, type Raw } from "./item.ts";
import type { Sections } from "./sections.ts";
import { child, type Node } from "./tree.ts";

type Blocks = Partial<Pick<Sections, "mqtt" | "device" | "telemetry" | "buffer">>;

/** A broker's limits as far as a configuration can keep or break them. */
export interface PresetRules {
  /** What was written and goes beyond them. */
  findings(blocks: Blocks, raw: Raw): readonly Finding[];
  /** The same blocks, where what was left out has values within them. */
  applied<B extends Blocks>(blocks: B, raw: Raw): B;
}

/** The rules of the preset that a configuration names, if it names one. */
export function presetRules(root: Node): PresetRules | undefined {
  const node = child(child(root, "mqtt") ?? root, "preset");
  const name = node?.kind === "scalar" ? String(node.value) : "";
  return Object.hasOwn(PRESETS, name) ? rulesOf(name as PresetName) : undefined;
}

/** The deepest and the longest that the node puts behind `topic_root`: `command/` and an id of 64 letters. */
const LEVELS_BELOW_ROOT = 2;
const BYTES_BELOW_ROOT = "/telemetry/".length + 64;

/** Of a broker's rate this much is for the records; the rest is for results, states and health. */
const RECORDS_SHARE = 0.8;

function rulesOf(name: PresetName): PresetRules {
  const preset = PRESETS[name];
  const { title, keepaliveSeconds, inFlight, publishesPerSecond } = preset;
  const recordsPerSecond = publishesPerSecond && publishesPerSecond * RECORDS_SHARE;
  return {
    findings: (blocks, raw) => [
      ...checkMqtt(blocks.mqtt, raw, preset),
      ...atMost(raw, ["telemetry", "qos"], blocks.telemetry?.qos, preset.maximumQos, title),
      ...(blocks.buffer?.replay.rate === 0
        ? whenWritten(
            raw,
            ["buffer", "replay", "rate"],
            recordsPerSecond !== undefined,
            `at most ${publishesPerSecond}: 0 is no limit`,
            title,
          )
        : atMost(raw, ["buffer", "replay", "rate"], blocks.buffer?.replay.rate, publishesPerSecond, title)),
    ],
    applied(blocks, raw) {
      const { mqtt, buffer } = blocks;
      if (!mqtt || !buffer) return blocks;
      const min = (keepaliveSeconds?.min ?? 0) * 1_000;
      const max = (keepaliveSeconds?.max ?? Number.POSITIVE_INFINITY) * 1_000;
      const rate = written(raw, ["buffer", "replay", "rate"])
        ? buffer.replay.rate
        : Math.min(buffer.replay.rate, recordsPerSecond ?? buffer.replay.rate);
      return {
        ...blocks,
        mqtt: {
          ...mqtt,
          keepalive: Math.min(Math.max(mqtt.keepalive, min), max),
          max_in_flight: Math.min(mqtt.max_in_flight, inFlight ?? mqtt.max_in_flight),
          ...tlsOf(mqtt, preset),
        },
        buffer: { ...buffer, replay: { ...buffer.replay, rate } },
      };
    },
  };
}

function tlsOf({ url, tls }: Sections["mqtt"], { alpn443 }: Preset): Partial<Pick<Sections["mqtt"], "tls">> {
  const shares = url.some(({ scheme, port }) => scheme === "mqtts" && port === 443);
  if (alpn443 === undefined || !shares || tls?.alpn !== undefined) return {};
  return { tls: { insecure: false, ...tls, alpn: [alpn443] } };
}

function checkMqtt(mqtt: Sections["mqtt"] | undefined, raw: Raw, preset: Preset): Finding[] {
  if (!mqtt) return [];
  const { title, keepaliveSeconds: keepalive, topicLevels, topicBytes, clientIdBytes } = preset;
  const root = mqtt.topic_root ?? "";
  const levels = (topicLevels ?? Number.POSITIVE_INFINITY) - LEVELS_BELOW_ROOT;
  const refuse = (key: string, says: string) => [wrongValue(["mqtt", key], `${title} ${says}`)];
  const isOpen = mqtt.url.some((server) => !isSecure(server) && !isLocal(server));
  const seconds = (ms: number) => ms / 1_000;
  const keptAlive = seconds(mqtt.keepalive);
  return [
    ...(preset.tlsOnly && isOpen ? refuse("url", "takes nothing but TLS: use mqtts:// or wss://") : []),
    ...(keepalive && written(raw, ["mqtt", "keepalive"])
      ? keptAlive < keepalive.min || keptAlive > keepalive.max
        ? refuse("keepalive", `takes ${keepalive.min} s to ${keepalive.max} s (mqtt.preset)`)
        : []
      : []),
    ...atMost(raw, ["mqtt", "max_in_flight"], mqtt.max_in_flight, preset.inFlight, title),
    ...atMost(
      raw,
      ["mqtt", "session_expiry"],
      seconds(mqtt.session_expiry),
      preset.sessionExpirySeconds,
      title,
      " s",
    ),
    ...atMost(raw, ["mqtt", "will_delay"], seconds(mqtt.will_delay), preset.willDelaySeconds, title, " s"),
    ...(written(raw, ["mqtt", "reconnect", "min"]) &&
    seconds(mqtt.reconnect.min) < (preset.reconnectSeconds ?? 0)
      ? [
          wrongValue(
            ["mqtt", "reconnect", "min"],
            `${title} lets a client try once in ${preset.reconnectSeconds} s`,
          ),
        ]
      : []),
    ...(Buffer.byteLength(mqtt.client_id ?? "") > clientIdBytes
      ? refuse("client_id", `takes at most ${clientIdBytes} bytes`)
      : []),
    ...(root.split("/").length > levels
      ? refuse("topic_root", `takes topics of ${topicLevels} levels: at most ${levels} of them here`)
      : []),
    ...(Buffer.byteLength(root) + BYTES_BELOW_ROOT > topicBytes
      ? refuse(
          "topic_root",
          `takes topics of ${topicBytes} bytes: at most ${topicBytes - BYTES_BELOW_ROOT} of them here`,
        )
      : []),
  ];
}

function atMost(
  raw: Raw,
  path: readonly string[],
  value: number | undefined,
  limit: number | undefined,
  title: string,
  unit = "",
): Finding[] {
  const exceeds = value !== undefined && limit !== undefined && value > limit;
  return whenWritten(raw, path, exceeds, `at most ${limit}${unit}`, title);
}

function whenWritten(
  raw: Raw,
  path: readonly string[],
  holds: boolean,
  what: string,
  title: string,
): Finding[] {
  return holds && written(raw, path) ? [wrongValue(path, `${title} takes ${what} (mqtt.preset)`)] : [];
}

/** Whether somebody wrote it, or it is a default. */
function written(raw: Raw, path: readonly string[]): boolean {
  let at: unknown = raw;
  for (const key of path) {
    if (!isMap(at) || !(key in at)) return false;
    at = at[key];
  }
  return true;
}
