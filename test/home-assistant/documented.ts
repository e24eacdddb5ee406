/**
 * What Home Assistant's documentation and its own checks ask of a device discovery message. Sources:
 * https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload (dev, o and cmps are required; each component
 * needs a platform, each entity a unique_id), the options of each platform's page (sensor.mqtt, binary_sensor.mqtt,
 * switch.mqtt, number.mqtt, cover.mqtt, button.mqtt), and developers.home-assistant.io, "Sensor entity" (units of
 * each device class; state classes).
 */
const ENTITY = [
  "p",
  "unique_id",
  "name",
  "device_class",
  "entity_category",
  "icon",
  "qos",
  "enabled_by_default",
  "availability",
];

const STATE = ["state_topic", "value_template", "expire_after", "json_attributes_topic"];

/** The options that each platform knows; an unknown one makes Home Assistant refuse the entity. */
export const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  sensor: [...ENTITY, ...STATE, "state_class", "unit_of_measurement", "suggested_display_precision"],
  binary_sensor: [...ENTITY, ...STATE, "payload_on", "payload_off", "off_delay"],
  switch: [
    ...ENTITY,
    ...STATE,
    "command_topic",
    "payload_on",
    "payload_off",
    "state_on",
    "state_off",
    "retain",
    "optimistic",
  ],
  number: [
    ...ENTITY,
    ...STATE,
    "command_topic",
    "command_template",
    "min",
    "max",
    "step",
    "mode",
    "unit_of_measurement",
    "retain",
  ],
  cover: [
    ...ENTITY,
    ...STATE,
    "command_topic",
    "payload_open",
    "payload_close",
    "payload_stop",
    "position_topic",
    "position_template",
    "set_position_topic",
    "position_open",
    "position_closed",
    "retain",
  ],
  button: [...ENTITY, "command_topic", "payload_press", "retain"],
};

export const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  sensor: ["state_topic"],
  binary_sensor: ["state_topic"],
  switch: ["command_topic"],
  number: ["command_topic"],
  cover: [],
  button: ["command_topic"],
};

/** Units of a sensor's device classes, as far as a driver of this project uses the class. */
export const UNITS: Readonly<Record<string, readonly (string | undefined)[]>> = {
  apparent_power: ["VA"],
  atmospheric_pressure: ["hPa", "kPa", "Pa", "mbar", "bar", "inHg", "mmHg", "psi"],
  battery: ["%"],
  carbon_dioxide: ["ppm"],
  carbon_monoxide: ["ppm"],
  current: ["A", "mA"],
  data_size: ["bit", "kbit", "Mbit", "Gbit", "B", "kB", "MB", "GB", "KiB", "MiB", "GiB"],
  distance: ["mm", "cm", "m", "km"],
  duration: ["d", "h", "min", "s", "ms"],
  energy: ["J", "Wh", "kWh", "MWh"],
  frequency: ["Hz", "kHz", "MHz", "GHz"],
  gas: ["m³", "ft³", "CCF", "L"],
  humidity: ["%"],
  illuminance: ["lx"],
  moisture: ["%"],
  ph: [undefined],
  pm1: ["µg/m³"],
  pm10: ["µg/m³"],
  pm25: ["µg/m³"],
  power: ["W", "kW", "mW"],
  power_factor: ["%", undefined],
  precipitation: ["cm", "in", "mm"],
  precipitation_intensity: ["mm/d", "mm/h"],
  pressure: ["hPa", "kPa", "Pa", "mbar", "bar", "psi"],
  signal_strength: ["dB", "dBm"],
  sound_pressure: ["dB", "dBA"],
  speed: ["m/s", "km/h", "mm/s"],
  temperature: ["°C", "°F", "K"],
  volatile_organic_compounds: ["µg/m³", "mg/m³"],
  volatile_organic_compounds_parts: ["ppm", "ppb"],
  voltage: ["V", "mV", "µV"],
  volume: ["L", "mL", "m³"],
  volume_flow_rate: ["m³/h", "L/min", "L/h", "L/s"],
  water: ["L", "m³"],
  weight: ["kg", "g", "mg"],
  wind_direction: ["°"],
  wind_speed: ["m/s", "km/h"],
  aqi: [undefined],
  reactive_power: ["var"],
  conductivity: ["S/cm", "mS/cm", "µS/cm"],
};

/** Classes of a total: Home Assistant takes no `measurement` of them. */
export const TOTALS = ["energy", "gas", "water", "precipitation"];

export const STATE_CLASSES = ["measurement", "measurement_angle", "total", "total_increasing"];
