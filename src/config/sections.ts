import * as v from "valibot";
import { expandersSettings } from "../device/expanders/settings.ts";
import { mqttSettings } from "../mqtt/broker/settings.ts";
import { ENCODINGS } from "../mqtt/encoding/encoding.ts";
import { duration } from "../schema/duration.ts";
import { pin } from "../schema/pin.ts";
import { settings } from "../schema/settings.ts";
import { size } from "../schema/size.ts";

/** Timers of the platform end here (2^31 ms); nobody samples that rarely. */
const MAX_INTERVAL_MS = 7 * 86_400_000;
const MIN_INTERVAL_MS = 50;
const MIN_BUFFER_BYTES = 1024 ** 2;
const MAX_REPLAY_PER_SECOND = 1_000_000;

/** The board's own bus, whether or not `buses` says anything of it. */
export const MAIN_BUS = "main";

const text = (maxLength: number) =>
  v.pipe(v.string(), v.minLength(1, "must not be empty"), v.maxLength(maxLength));

const described = <S extends v.GenericSchema>(schema: S, description: string) =>
  v.pipe(schema, v.description(description));

export const deviceSettings = settings({
  id: described(
    v.pipe(
      v.string("expected a name"),
      v.regex(
        /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
        "expected up to 64 letters, digits, _ or -, beginning with a letter or digit",
      ),
    ),
    "Names the device on the broker; part of every topic",
  ),
  name: v.optional(described(text(128), "Shown to people")),
});

const userProperty = v.pipe(v.string("expected a text"), v.maxBytes(1_024, "must be at most 1024 bytes"));

export const telemetrySettings = settings({
  interval: v.optional(
    described(
      duration({ minMs: MIN_INTERVAL_MS, maxMs: MAX_INTERVAL_MS }),
      "How often a sensor is read that has no interval of its own",
    ),
    "10s",
  ),
  qos: v.optional(
    described(v.picklist([0, 1, 2]), "MQTT quality of service; below 1 nothing is promised to arrive"),
    1,
  ),
  message_expiry: v.optional(
    described(
      duration({ minMs: 1_000, maxMs: 0xffff_ffff * 1_000 }),
      "How long the broker may keep a record for a consumer that is away. MQTT 5 only. Absent: as long as it wants",
    ),
  ),
  user_properties: v.optional(
    described(
      v.record(userProperty, userProperty),
      "Sent with each record, for brokers that route by them. MQTT 5 only",
    ),
  ),
  encoding: v.optional(described(v.picklist(ENCODINGS), "How readings and events are written"), "json"),
});

const replaySettings = settings({
  order: v.optional(
    described(
      v.picklist(["oldest_first", "live_first"]),
      "After an outage: the oldest record first, or new ones at once and the backlog beside them",
    ),
    "oldest_first",
  ),
  rate: v.optional(
    described(
      v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_REPLAY_PER_SECOND)),
      "Records per second while catching up; 0: no limit",
    ),
    1000,
  ),
});

export const bufferSettings = settings({
  path: v.optional(described(text(4096), "Folder of the outbox"), "/var/lib/fieldpost/outbox"),
  max_size: v.optional(
    described(size({ minBytes: MIN_BUFFER_BYTES }), "Disk space the outbox may take"),
    "256MiB",
  ),
  max_age: v.optional(
    described(duration({ minMs: 1_000 }), "Older records are dropped, and said to be"),
    "30d",
  ),
  when_full: v.optional(
    described(v.picklist(["drop_oldest", "drop_newest", "thin"]), "Which records go when the outbox is full"),
    "drop_oldest",
  ),
  tail: v.optional(
    described(
      text(4096),
      "Folder on a tmpfs for records younger than sync_after; absent or not on a tmpfs: none",
    ),
  ),
  sync_after: v.optional(
    described(
      duration({ maxMs: 3_600_000 }),
      "A record unacknowledged this long survives a power cut; 0s: every record at once",
    ),
    "1s",
  ),
  replay: v.optional(described(replaySettings, "Catching up after an outage"), {}),
});

export const healthSettings = settings({
  interval: v.optional(
    described(
      duration({ minMs: 1_000, maxMs: MAX_INTERVAL_MS }),
      "How often the node reports its own health",
    ),
    "60s",
  ),
});

const publicKey = v.pipe(
  v.string("expected a public key in base64"),
  v.regex(
    /^[A-Za-z0-9+/]{43}=$/,
    "expected a raw Ed25519 public key in base64: 44 characters (docs/actuators.md says how to make one)",
  ),
);

const keyId = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, "a key's name takes letters, digits, _ and -"),
);

const MAX_VALIDITY_MS = 86_400_000;

export const commandsSettings = settings({
  keys: v.optional(
    described(
      v.record(keyId, publicKey),
      "Ed25519 public keys by name; with any, commands without a signature are refused",
    ),
    {},
  ),
  max_validity: v.optional(
    described(
      duration({ minMs: 1_000, maxMs: MAX_VALIDITY_MS }),
      "How far ahead the end of a signature may lie",
    ),
    "10m",
  ),
});

const timeZone = v.pipe(
  v.string(),
  v.check(isTimeZone, "expected the name of a time zone such as Europe/Berlin"),
);

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const degrees = (limit: number) => v.pipe(v.number(), v.finite(), v.minValue(-limit), v.maxValue(limit));

export const locationSettings = settings({
  time_zone: v.optional(described(timeZone, "Local time for rules. Default: the system's time zone")),
  latitude: v.optional(described(degrees(90), "Degrees, north is positive; for rules that look at the sun")),
  longitude: v.optional(described(degrees(180), "Degrees, east is positive")),
});

const busName = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, "a bus's name takes letters, digits, _ and -"),
);

const i2cBusSettings = settings({
  device: described(
    v.pipe(v.string(), v.regex(/^\/dev\/[^\0]+$/, "expected a device path such as /dev/i2c-1")),
    "The adapter's device file",
  ),
  recovery: v.optional(
    described(
      settings({ scl: pin(), sda: pin() }),
      "Lines wired to SCL and SDA beside the adapter's own: they free a bus that a chip holds",
    ),
  ),
  power: v.optional(
    described(
      settings({
        pin: pin(),
        active_low: v.optional(v.boolean(), false),
        off_for: v.optional(duration({ minMs: 10, maxMs: 60_000 }), "1s"),
      }),
      "The line that switches the supply of the bus's chips",
    ),
  ),
});

export const busesSettings = settings({
  i2c: v.optional(
    described(v.record(busName, i2cBusSettings), "I2C buses by name; main is the board's own"),
    {},
  ),
});

export const gpioSettings = settings({
  backend: v.optional(described(v.picklist(["auto", "cdev", "sysfs"]), "How lines are reached"), "auto"),
  chip: v.optional(
    described(text(64), "The GPIO chip: auto, gpiochip0 or a label such as pinctrl-bcm2835"),
    "auto",
  ),
});

/** The blocks of a configuration but for its lists of sensors and actuators, whose keys depend on their drivers. */
export const sections = {
  device: deviceSettings,
  mqtt: mqttSettings,
  telemetry: v.optional(telemetrySettings, {}),
  buffer: v.optional(bufferSettings, {}),
  health: v.optional(healthSettings, {}),
  commands: v.optional(commandsSettings, {}),
  location: v.optional(locationSettings, {}),
  buses: v.optional(busesSettings, {}),
  gpio: v.optional(gpioSettings, {}),
  expanders: v.optional(expandersSettings, {}),
};

export type Sections = { readonly [K in keyof typeof sections]: v.InferOutput<(typeof sections)[K]> };
