import * as v from "valibot";
import { duration } from "../../schema/duration.ts";
import { settings } from "../../schema/settings.ts";
import { isSecure, parseServer, type Server } from "./server.ts";

/** The longest string MQTT can carry, bytes (MQTT 5, section 1.5.4). */
const MAX_STRING_BYTES = 65_535;

/** Keep Alive and Receive Maximum are 16-bit numbers (MQTT 5, sections 3.1.2.10 and 3.1.2.11.3). */
const MAX_UINT16 = 65_535;

/** Session Expiry Interval is a 32-bit number of seconds; all ones would mean "never" (MQTT 5, section 3.1.2.11.2). */
const MAX_SESSION_EXPIRY_MS = 0xffff_fffe * 1_000;

const URL_EXPECTED = "expected a URL such as mqtts://broker.example:8883, or a list of them";

const url = v.pipe(
  v.union([v.string(), v.array(v.string())], URL_EXPECTED),
  v.rawTransform<string | string[], readonly Server[]>(({ dataset, addIssue, NEVER }) => {
    const texts = typeof dataset.value === "string" ? [dataset.value] : dataset.value;
    if (texts.length === 0) addIssue({ message: `the list is empty: ${URL_EXPECTED}` });
    const servers = texts.flatMap((text, at) => {
      try {
        return [parseServer(text)];
      } catch (error) {
        const message = (error as Error).message;
        if (texts === dataset.value)
          addIssue({
            message,
            path: [{ type: "array", origin: "value", input: texts, key: at, value: text }],
          });
        else addIssue({ message });
        return [];
      }
    });
    return servers.length === texts.length && servers.length > 0 ? servers : NEVER;
  }),
);

const mqttString = (message: string) =>
  v.pipe(
    v.string(message),
    v.minLength(1, "must not be empty"),
    v.check((text) => !text.includes("\0"), "must not contain a NUL character"),
    v.maxBytes(MAX_STRING_BYTES, `must be at most ${MAX_STRING_BYTES} bytes`),
  );

const topicRoot = v.pipe(
  mqttString("expected a topic such as fieldpost/greenhouse-1"),
  v.check((topic) => !/[+#]/.test(topic), "must not contain the wildcards + and #"),
  v.check(
    (topic) => !/^\/|\/$|\/\//.test(topic),
    "must not have an empty level: no leading, trailing or double /",
  ),
  v.check((topic) => !topic.startsWith("$"), "must not start with $: such topics belong to the broker"),
);

const file = v.pipe(v.string("expected the path of a PEM file"), v.minLength(1, "must not be empty"));

const tls = v.pipe(
  settings({
    /** Certificates to trust instead of the system's, PEM. */
    ca: v.optional(file),
    cert: v.optional(file),
    key: v.optional(file),
    /** The name expected in the broker's certificate, where it is not the URL's host. */
    server_name: v.optional(v.pipe(v.string(), v.minLength(1, "must not be empty"))),
    alpn: v.optional(v.array(v.pipe(v.string(), v.minLength(1, "must not be empty"), v.maxBytes(255)))),
    insecure: v.optional(v.boolean(), false),
  }),
  v.check(
    ({ cert, key }) => (cert === undefined) === (key === undefined),
    "cert and key belong together: one is missing",
  ),
);

const VERSION_EXPECTED = "expected auto, 3.1.1 or 5";

/** YAML reads an unquoted 5 as a number. */
const version = v.pipe(
  v.union([v.string(), v.number()], VERSION_EXPECTED),
  v.transform(String),
  v.picklist(["auto", "3.1.1", "5"], VERSION_EXPECTED),
);

const reconnect = v.pipe(
  settings({
    min: v.optional(duration({ minMs: 10 }), "1s"),
    max: v.optional(duration({ minMs: 10 }), "2m"),
  }),
  v.forward(
    v.check(({ min, max }) => min <= max, "max must not be below min"),
    ["max"],
  ),
);

const homeAssistant = settings({
  /** As in Home Assistant's own settings of its MQTT integration. */
  discovery_prefix: v.optional(topicRoot, "homeassistant"),
});

/** Brokers whose documented limits are known (presets.ts). */
const PRESET_NAMES = ["aws_iot_core", "azure_event_grid", "emqx", "hivemq"] as const;

export type PresetName = (typeof PRESET_NAMES)[number];

/** What a node's topics and payloads can look like. */
const CONVENTIONS = ["fieldpost", "homie5", "sparkplug_b"] as const;

/** An element of a Sparkplug topic (Eclipse Sparkplug 3.0.0, section 4.1). */
const sparkplugName = v.pipe(
  mqttString("expected a text"),
  v.check((name) => !/[+#/]/.test(name), "must not contain +, # and /"),
);

const sparkplug = settings({
  group: sparkplugName,
  /** The host application without which nothing is sent. */
  primary_host: v.optional(sparkplugName),
});

/** The `mqtt:` block. `client_id` and `topic_root` depend on the device id where they are absent. */
export const mqttSettings = v.pipe(
  settings({
    url,
    version: v.optional(version, "auto"),
    client_id: v.optional(mqttString("expected a text")),
    username: v.optional(mqttString("expected a text")),
    password: v.optional(v.pipe(v.string("expected a text"), v.maxBytes(MAX_STRING_BYTES))),
    topic_root: v.optional(topicRoot),
    keepalive: v.optional(duration({ minMs: 1_000, maxMs: MAX_UINT16 * 1_000 }), "25s"),
    tls: v.optional(tls),
    session_expiry: v.optional(duration({ maxMs: MAX_SESSION_EXPIRY_MS }), "0s"),
    will_delay: v.optional(duration({ maxMs: MAX_SESSION_EXPIRY_MS }), "0s"),
    max_in_flight: v.optional(
      v.pipe(
        v.number("expected a whole number"),
        v.integer("expected a whole number"),
        v.minValue(1, "must be at least 1"),
        v.maxValue(MAX_UINT16, `must be at most ${MAX_UINT16}`),
      ),
      64,
    ),
    reconnect: v.optional(reconnect, {}),
    home_assistant: v.optional(homeAssistant),
    convention: v.optional(v.picklist(CONVENTIONS), "fieldpost"),
    preset: v.optional(v.picklist(PRESET_NAMES)),
    sparkplug: v.optional(sparkplug),
  }),
  v.forward(
    v.check(
      ({ url, tls }) => tls === undefined || url.some(isSecure),
      "has no effect: no url starts with mqtts:// or wss://",
    ),
    ["tls"],
  ),
  v.forward(
    v.check(
      ({ will_delay, session_expiry }) => will_delay <= session_expiry,
      "must not be longer than session_expiry: when the session ends, the broker says offline",
    ),
    ["will_delay"],
  ),
  v.forward(
    v.check(
      ({ convention, sparkplug }) => convention !== "sparkplug_b" || sparkplug !== undefined,
      "needs mqtt.sparkplug beside it: { group: NAME }",
    ),
    ["convention"],
  ),
  v.forward(
    v.check(
      ({ convention, sparkplug }) => convention === "sparkplug_b" || sparkplug === undefined,
      "has no effect without convention: sparkplug_b",
    ),
    ["sparkplug"],
  ),
  v.forward(
    // MQTT 3.1.1, section 3.1.2.9 [MQTT-3.1.2-22]; MQTT 5 allows it.
    v.check(
      ({ username, password, version }) =>
        password === undefined || username !== undefined || version === "5",
      "needs a username beside it (MQTT 3.1.1 knows no password alone)",
    ),
    ["password"],
  ),
);

export type MqttSettings = v.InferOutput<typeof mqttSettings>;
