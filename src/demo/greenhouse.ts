/** The configuration that the demo runs. Every value of it is explained in docs/configuration.md. */
export function greenhouse(brokerUrl: string, folder: string, seed: number): string {
  return `
device: { id: greenhouse-1, name: North greenhouse }
mqtt: { url: "${brokerUrl}", reconnect: { min: 200ms, max: 1s } }
buffer: { path: "${folder}/outbox", max_size: 16MiB, replay: { order: oldest_first, rate: 0 } }
health: { interval: 30s }
sensors:
  - { id: air, driver: bme280, interval: 2s }
  - { id: canopy, driver: sht4x, interval: 3s }
  - { id: soil, driver: ads1115, interval: 5s, channels: [{ name: moisture, input: a0, unit: "%", scale: 30 }], filters: [{ round: 1 }] }
  - { id: tank, driver: ds18b20, interval: 5s }
  - { id: door, driver: digital_input, pin: 17, interval: 30s }
  - { id: rain, driver: pulse_counter, pin: 27, unit: mm, per_pulse: 0.2794, interval: 10s }
  - { id: host, driver: host, interval: 10s }
actuators:
  - { id: pump, driver: digital_output, pin: 22, max_on: 5m, offline_after: 10s }
  - { id: fan, driver: digital_output, pin: 23 }
simulation:
  seed: ${seed}
  world:
    temperature: { mean: 22, swing: 4, period: 3m, noise: 0.2 }
    humidity: { mean: 58, swing: -12, period: 3m, noise: 0.6 }
    tank.temperature: { mean: 14, swing: 1, period: 5m }
    rain.pulses_per_minute: { mean: 14, swing: 14, period: 2m }
    door.presses_per_hour: 240
`;
}
