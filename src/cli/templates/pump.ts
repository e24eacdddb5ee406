import { head } from "./head.ts";

export const pump = `${head("pump-1", "Well pump")}
sensors:
  - id: tank_full
    driver: digital_input # a float switch to ground
    pin: 17 # BCM number
    pull: up
    active_low: true
    debounce: 200ms # water moves

  - id: flow
    driver: pulse_counter # a turbine flow meter
    pin: 27
    edge: rising
    unit: l
    per_pulse: 0.00222 # 450 pulses a litre
    debounce: 1ms
    interval: 5s

  - id: pressure
    driver: ads1115 # a 0.5 to 4.5 V pressure sender behind a divider
    address: 0x48
    interval: 5s
    filters:
      - { median: 5 }

actuators:
  - id: pump
    driver: digital_output
    pin: 22
    active_low: true # most relay boards switch on when the line is low
    initial: off # on boot, before anything else
    safe: off # on shutdown, crash and offline_after
    offline_after: 5m # no broker this long: go safe
    max_on: 20m # never longer in one go; survives restarts
    min_on: 10s
    min_off: 2m # spares the motor
    interlock: [drain] # never on together

  - id: drain
    driver: digital_output
    pin: 23
    active_low: true
    initial: off
    safe: off
    max_on: 10m
`;
