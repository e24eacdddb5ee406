import { describe, expect, inject, test } from "vitest";
import { startRabbitmq } from "./rabbitmq.ts";

const packages = inject("brokerPackages");

describe.skipIf(packages === "")("RabbitMQ's helper", () => {
  test("makes a cluster of two nodes", async () => {
    const rabbitmq = await startRabbitmq({ packages, nodes: 2 });
    try {
      const running = await rabbitmq.call("rabbit_mnesia cluster_nodes [running]", rabbitmq.nodes[1]);
      expect(running).toContain("rabbit1@localhost");
      expect(running).toContain("rabbit2@localhost");
    } finally {
      await rabbitmq.stop();
    }
  });
});
