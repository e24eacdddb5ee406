import { head } from "./head.ts";

export const weather = `${head("weather-1", "Weather station")}
sensors:
  - id: air
    driver: bme280
    address: 0x76
    interval: 30s
    report: # send what has changed; absent: every reading
      delta: { temperature: 0.1, humidity: 1, pressure: 0.2 }
      heartbeat: 10m

  - id: ground
    driver: ds18b20 # 1-Wire, enabled by dtoverlay=w1-gpio
    # wire_id: 28-00000a1b2c3d # needed where there are several
    interval: 1m

  - id: rain
    driver: pulse_counter # a tipping bucket: one pulse each tip
    pin: 27 # BCM number
    pull: up
    edge: falling
    unit: mm
    per_pulse: 0.2794 # what the bucket's datasheet says
    interval: 1m

  - id: wind
    driver: pulse_counter # an anemometer: "rate" is what it turned
    pin: 22 # BCM number
    pull: up
    edge: falling
    unit: rev
    debounce: 2ms
    interval: 5s
    filters:
      - rate: [{ moving_average: 12 }]

  - id: board
    driver: host # the machine's own temperature, load, memory and disk
    interval: 1m
`;
