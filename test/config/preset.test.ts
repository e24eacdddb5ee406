import { describe, expect, test } from "vitest";
import { readRight } from "./reading.ts";

async function meaning(mqtt: string, more = "") {
  return (await readRight(`device: { id: g1 }\nmqtt: { ${mqtt} }\n${more}`)).config;
}

describe("a preset", () => {
  test("gives what was left out values that the broker takes", async () => {
    const { mqtt, buffer } = await meaning('url: "mqtts://x:443", preset: aws_iot_core');
    expect(mqtt).toMatchObject({ keepalive: 30_000, max_in_flight: 64, tls: { alpn: ["x-amzn-mqtt-ca"] } });
    expect(buffer.replay.rate).toBe(80);
    expect((await meaning('url: "mqtts://x", preset: hivemq')).mqtt.max_in_flight).toBe(10);
  });

  test("leaves alone what was written and is within the limits", async () => {
    const written = 'url: "mqtts://x:443", preset: aws_iot_core, keepalive: 5m, max_in_flight: 20';
    const { mqtt, buffer } = await meaning(
      `${written}, tls: { alpn: [mine] }`,
      "buffer: { replay: { rate: 95 } }",
    );
    expect(mqtt).toMatchObject({ keepalive: 300_000, max_in_flight: 20, tls: { alpn: ["mine"] } });
    expect(buffer.replay.rate).toBe(95);
  });

  test("asks for no ALPN at another port", async () => {
    expect((await meaning('url: "mqtts://x", preset: aws_iot_core')).mqtt.tls).toBeUndefined();
  });

  test("lets a broker on this machine be without TLS", async () => {
    expect((await meaning('url: "mqtt://127.0.0.1", preset: azure_event_grid')).mqtt.preset).toBe(
      "azure_event_grid",
    );
  });

  test("changes nothing where there is none", async () => {
    const { mqtt, buffer } = await meaning('url: "mqtts://x"');
    expect(mqtt).toMatchObject({ keepalive: 25_000, max_in_flight: 64 });
    expect(buffer.replay.rate).toBe(1_000);
  });
});
