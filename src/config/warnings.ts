import { isLocal, isSecure } from "../mqtt/broker/server.ts";
import type { Config } from "./config.ts";
import { type Finding, wrongValue } from "./finding.ts";

/** What a configuration may say, but seldom should. */
export function warningsOf({ mqtt, buffer, sensors, actuators }: Config): Finding[] {
  const warnings: Finding[] = [];
  const inClear = mqtt.url.some((server) => !isSecure(server) && !isLocal(server));
  if (mqtt.password !== undefined && inClear) {
    warnings.push(
      wrongValue(["mqtt", "password"], "the password is sent unencrypted; use mqtts:// or wss://"),
    );
  }
  if (mqtt.tls?.insecure) {
    warnings.push(
      wrongValue(
        ["mqtt", "tls", "insecure"],
        "the broker's certificate is not checked: anybody can pose as it",
      ),
    );
  }
  if (buffer.tail !== undefined && buffer.sync_after === 0) {
    warnings.push(
      wrongValue(["buffer", "tail"], "not used: with sync_after: 0s every record goes to disk at once"),
    );
  }
  if (sensors.length === 0 && actuators.length === 0) {
    warnings.push({
      path: [],
      target: "missing",
      message: "no sensors and no actuators: the node reports only its health",
    });
  }
  return warnings;
}
