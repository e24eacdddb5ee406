/** The blocks that every starter configuration begins with. */
export function head(deviceId: string, deviceName: string): string {
  return `# Fieldpost configuration. "fieldpost check FILE" says what is wrong with it and where;
# "fieldpost run --simulate --config FILE" runs it without any hardware.
# Durations: 250ms, 10s, 5m, 2h, 7d. Sizes: 64KiB, 256MiB.
# In any text: \${env:NAME}, \${file:/path}, \${device}, \${serial}, \${hostname}, \${machine_id}.

device:
  id: ${deviceId} # names the device on the broker; letters, digits, _ and -
  name: ${deviceName} # shown to people

mqtt:
  url: mqtt://localhost:1883 # mqtt, mqtts, ws or wss; a list of them is tried in turn
  # username: node
  # password: \${file:/run/credentials/fieldpost.service/mqtt_password}
  # topic_root: fieldpost/\${device}
  # tls: { ca: ca.pem } # with mqtts: or wss:; absent: the system's own certificates

telemetry:
  interval: 10s # for sensors that name none of their own

buffer:
  max_size: 256MiB # what the broker has not acknowledged waits on disk, up to this
  max_age: 30d
  tail: /run/fieldpost # in memory, for what is not acknowledged yet but soon will be: spares the flash card
`;
}
