import { head } from "./head.ts";

export const greenhouse = `${head("greenhouse-1", "North greenhouse")}
sensors:
  - id: air
    driver: bme280 # "fieldpost drivers" lists them all
    address: 0x76 # 0x77 where the module's SDO pin is high
    interval: 10s
    filters:
      - temperature: [{ offset: -0.4 }, { median: 5 }] # warmed by the board beside it
    report: # send what has changed; absent: every reading
      delta: { temperature: 0.1, humidity: 0.5, pressure: 0.3 }
      heartbeat: 10m # and at least this often

  - id: soil
    driver: ds18b20 # 1-Wire, enabled by dtoverlay=w1-gpio
    interval: 1m

  - id: door
    driver: digital_input
    pin: 17 # BCM number
    pull: up
    active_low: true # a contact to ground is active while it is closed
    debounce: 20ms

actuators:
  - id: fan
    driver: digital_output
    pin: 23
    initial: off # on boot, before anything else
    safe: off # on shutdown, crash and offline_after
    min_off: 30s

  - id: heater
    driver: digital_output
    pin: 24
    initial: off
    safe: off
    offline_after: 5m # no broker this long: go safe
    max_on: 30m # survives restarts
    interlock: [fan] # never on together

# Read only with --simulate.
simulation:
  seed: 1
  world:
    air.temperature: { mean: 21, swing: 6, noise: 0.2 }
    soil.temperature: { mean: 16, swing: 2, noise: 0.1 }
`;
