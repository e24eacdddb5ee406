import { head } from "./head.ts";

export const energy = `${head("energy-1", "Meter cupboard")}
sensors:
  - id: grid
    driver: pulse_counter # an S0 output (EN 62053-31): pulses of at least 30 ms
    pin: 17 # BCM number
    pull: up
    edge: falling
    debounce: 20ms
    unit: Wh
    per_pulse: 1 # a meter of 1000 impulses per kWh
    interval: 10s
    report: # every change is sent, and a sign of life
      delta: { total: 1 }
      heartbeat: 5m

  - id: solar
    driver: pulse_counter
    pin: 27 # BCM number
    pull: up
    edge: falling
    debounce: 20ms
    unit: Wh
    per_pulse: 1
    interval: 10s

  - id: battery
    driver: ads1115 # a voltage divider in front: 16:1
    address: 0x48
    interval: 10s
    filters:
      - voltage: [{ scale: 16 }, { median: 3 }]

  - id: board
    driver: host # the machine's own temperature, load, memory and disk
    interval: 1m

actuators:
  - id: boiler
    driver: digital_output # a contactor for the heating rod
    pin: 22
    initial: off # on boot, before anything else
    safe: off # on shutdown, crash and offline_after
    offline_after: 15m # no broker this long: go safe
    max_on: 3h
    min_on: 5m # spares the contactor
    min_off: 5m
`;
