import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, inject, test } from "vitest";
import { startFieldNode, until, WINDOW } from "../mqtt/field-node.ts";
import { type Rabbitmq, startRabbitmq } from "./rabbitmq.ts";

const packages = inject("brokerPackages");

const RECORDS_PER_SECOND = 200;

/**
 * RabbitMQ keeps a client's subscriptions in a queue on the node that it was connected to. Where that node is gone, the other
 * one takes the client's CONNECT and closes at its SUBSCRIBE, unless such queues are mirrored.
 */
const MIRRORED = String.raw`rabbit_policy:parse_set(<<"/">>, <<"mqtt">>, <<"^mqtt-subscription-">>,
  <<"{\"ha-mode\":\"all\"}">>, <<"0">>, <<"queues">>, <<"test">>).
`;

/** As erl_call's arguments take no binaries, the expression comes from a file. */
async function evaluate(rabbitmq: Rabbitmq, expression: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-erlang-"));
  try {
    const file = join(folder, "expression");
    await writeFile(file, expression);
    expect(await rabbitmq.call(`file eval ["${file}"]`)).toBe("ok");
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe.skipIf(packages === "")("a cluster of two RabbitMQ nodes", () => {
  test("one is killed while 200 records a second flow: nothing is lost, the other one serves", {
    timeout: 300_000,
  }, async (context) => {
    const rabbitmq = await startRabbitmq({ packages, nodes: 2 });
    context.onTestFinished(() => rabbitmq.stop());
    await evaluate(rabbitmq, MIRRORED);
    const [first, second] = rabbitmq.nodes;
    const node = await startFieldNode("clustered", first!.port, {
      standbyPort: second!.port,
      isCluster: true,
      reconnect: { minMs: 100, maxMs: 2_000 },
      link: { keepaliveMs: 5_000, connectTimeoutMs: 10_000 },
    });
    context.onTestFinished(() => node.stop());
    await node.connected(20_000);
    expect(node.session.status().server).toContain(`:${node.proxy.port}`);

    node.measure(1_000 / RECORDS_PER_SECOND);
    await until(
      () => node.uplink.status().delivered > 5 * RECORDS_PER_SECOND,
      60_000,
      "five seconds' records",
    );
    const deliveredByFirst = node.uplink.status().delivered;
    await first!.kill();
    await until(
      () => node.session.status().connected && node.session.status().server.endsWith(`:${second!.port}`),
      60_000,
      () => `a connection with the other one, but ${JSON.stringify(node.session.status())}`,
    );
    await node.command();
    await until(
      () => node.uplink.status().delivered > deliveredByFirst + 5 * RECORDS_PER_SECOND,
      60_000,
      "another five seconds' records",
    );
    node.rest();
    await until(() => node.outbox.status().depth === 0, 30_000, "an empty outbox");

    const appended = node.outbox.status().nextSeq - 1;
    const verdict = () => node.consumer.ledger.verdict();
    await until(() => verdict().received >= appended, 30_000, "all records").catch(() => {});
    expect(verdict()).toMatchObject({ firstSeq: 1, received: appended, missing: [], dropped: 0 });
    expect(verdict().duplicates).toBeLessThanOrEqual(WINDOW * (node.session.status().connects - 1));
    expect(node.session.status()).toMatchObject({ awayFrom: `mqtt://127.0.0.1:${node.proxy.port}` });
  });
});
