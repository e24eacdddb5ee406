/** What editors show for keys whose schemas stand beside what they configure. A test holds them complete. */

export const blockDescriptions: Readonly<Record<string, string>> = {
  device: "Which device this is",
  mqtt: "The broker and how to talk to it",
  telemetry: "How readings are taken and sent",
  buffer: "What waits on disk until the broker has acknowledged it",
  health: "The node's reports on itself",
  commands: "Who may command the node",
  location: "Where the node is, for rules that look at the time or the sun",
  rules:
    "What the node does by itself, with and without a broker; the first rule that wants something is heard",
  buses: "Only to rename the board's bus or to add adapters",
  gpio: "How the GPIO lines are reached",
  expanders: "Chips on I2C that add pins or PWM channels, by name",
  sensors: "What is measured",
  actuators: "What is switched",
  simulation: "The simulated world; read only with --simulate, in the demo and in tests",
};

export const mqttDescriptions: Readonly<Record<string, string>> = {
  url: "mqtt://, mqtts://, ws:// or wss:// with the broker's host, or mqtt+unix:// with a path; a list is tried in turn, and the first is gone back to",
  version: "Protocol version; auto tries 5 and falls back to 3.1.1",
  client_id: "Default: the device id",
  username: "The name that the broker knows the node by",
  password: `Best as \${file:/path} or \${env:NAME}`,
  topic_root: "Every topic begins with it. Default: fieldpost/<device id>",
  keepalive: "A silent link is found dead after one and a half of these",
  tls: "Certificates, as PEM files",
  session_expiry: "How long the broker keeps the session, and so queues commands, while the node is away",
  will_delay: "How long the broker waits after a lost link before it says offline. MQTT 5 only",
  max_in_flight: "Records sent before the first of them is acknowledged; the broker's own limit counts too",
  reconnect: "Shortest and longest pause between attempts",
  home_assistant: "Announces the node and its entities to Home Assistant. Absent: off",
  convention: "What topics and payloads look like",
  preset: "Stay within the documented limits of this broker",
  sparkplug: "With convention: sparkplug_b: the group, and the host without which nothing is sent",
};

export const sensorDescriptions: Readonly<Record<string, string>> = {
  id: "Names the sensor; the last level of its topics",
  driver: "The chip, or a path to a driver of one's own",
  bus: "A name in buses.i2c or a device path. Default: the board's own bus",
  address: "The chip's address on the bus",
  device: "The device of the chip select or of the serial port",
  mode: "SPI mode: clock polarity and phase. Default: the chip's own",
  speed_hz: "The fastest that the SPI clock may be",
  interval: "How often it is read. Default: telemetry.interval",
  jitter: "Each reading is late by up to this much, so that many nodes do not speak at once",
  filters: "Applied in order, for one field or for all",
  report: "Send only what has changed. Absent: every reading",
};

export const actuatorDescriptions: Readonly<Record<string, string>> = {
  id: "Names the actuator; the last level of its topics",
  driver: "The kind of output",
  initial: "On boot, before anything else",
  safe: "On shutdown, crash, watchdog reset and after offline_after",
  offline_after: "No broker this long: go safe. Absent: stay",
  max_on: "Never longer on than this in one go; survives restarts",
  min_on: "Once on, stays on this long unless safety asks otherwise",
  min_off: "Once off, stays off this long",
  startup_delay: "Not switched on before the node has run for this long",
  restore: "What it begins with: initial, or what it was last told, across restarts and power cuts",
  budget: "At most this much running time or energy within any stretch of per, a day by default",
  interlock: "Actuators that are never on together with this one",
};
