import { expect, test } from "vitest";
import { simulate } from "../../src/simulate/simulate.ts";

const config = (order: string) => `
device: { id: n1 }
mqtt: { url: mqtt://sim, reconnect: { min: 1s, max: 2s } }
buffer: { replay: { order: ${order}, rate: 2 } }
sensors: [{ id: air, driver: bme280, interval: 1s }]
`;

test("a node that sends what is new first: no wait for it behind an hour of backlog, nothing missing at the end, killed in between", {
  timeout: 60_000,
}, async () => {
  const sim = await simulate({ config: config("live_first") });
  await sim.advance("10s");
  sim.broker.cut();
  await sim.advance("10m");
  sim.broker.restore();
  await sim.advance("30s");
  const latest = () => sim.messages("telemetry/air").at(-1)!;
  const youngest = () => Math.max(...sim.messages("telemetry/air").map(({ json }) => json.seq));
  const lagMs =
    sim.clock.wallMs() -
    Date.parse(sim.messages("telemetry/air").find(({ json }) => json.seq === youngest())!.json.time);
  expect(lagMs).toBeLessThan(1_500);
  expect(sim.messages("telemetry/air").some(({ json }) => json.historical)).toBe(true);
  const before = sim.messages().length;
  await sim.restart("kill");
  await sim.advance("5s");
  // The run's first record is the first of it.
  const ofRun = sim
    .messages("+/+")
    .slice(before)
    .filter(({ json }) => json?.seq > youngest() - 100);
  expect(ofRun.length).toBeGreaterThan(0);
  expect(sim.messages("event/boot").at(-1)!.json.boot).toBe(2);
  await sim.advance("15m");
  expect(latest().json.historical).toBeUndefined();
  const { lost, missing, duplicates } = sim.audit();
  expect({ lost, missing }).toEqual({ lost: 0, missing: [] });
  // What was on its way when the link broke or the process died may come twice: no more than that.
  expect(duplicates).toBeLessThanOrEqual(3 * 64);
  await sim.stop();
});

test("a range is published again on command, and the answer says what is not there", async () => {
  await import("../../src/mqtt/uplink/resend.ts");
  const sim = await simulate({ config: config("oldest_first") });
  await sim.advance("60s");
  const result = await sim.command("node", { id: "r1", do: "resend", from_seq: 5, to_seq: 5_000 });
  const { resent, missing_count: missing } = result;
  expect(result).toMatchObject({ id: "r1", status: "done", waiting: 0, missing: [{ to_seq: 5_000 }] });
  expect(resent).toBeGreaterThan(50);
  expect(resent + missing).toBe(4_996);
  const marked = sim.messages("telemetry/air").filter(({ json }) => json.resent === true);
  expect(marked.map(({ json }) => json.seq)).toContain(5);
  expect(sim.audit()).toMatchObject({ lost: 0, duplicates: 0, resent });
  const again = await sim.command("node", { id: "r1", do: "resend", from_seq: 5, to_seq: 5_000 });
  expect(again).toMatchObject({ status: "duplicate" });
  const tooMuch = await sim.command("node", { id: "r2", do: "resend", from_seq: 1, to_seq: 90_000 });
  expect(tooMuch).toMatchObject({ status: "failed", error: "at most 10000 numbers at a time" });
  await sim.stop();
});
