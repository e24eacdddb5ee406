import { describe, expect, test } from "vitest";
import { findServiceManager } from "../../../src/device/linux/service-manager.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";

function rig(env: Record<string, string>, finding: () => string | undefined = () => undefined) {
  const said: string[] = [];
  const findings: (string | undefined)[] = [];
  const clock = new VirtualClock({ wallMs: 0, monotonicMs: 5_000.25 });
  const manager = findServiceManager({
    env,
    pid: 42,
    clock,
    onUnwell: (found) => findings.push(found),
    addon: { sdNotify: (text) => said.push(text) > 0 },
  });
  const ending = new AbortController();
  const alive = manager?.keepAlive(finding, ending.signal);
  return {
    said,
    findings,
    clock,
    manager,
    async end() {
      ending.abort();
      await alive;
    },
  };
}

const WATCHED = { NOTIFY_SOCKET: "/run/systemd/notify", WATCHDOG_USEC: "30000000", WATCHDOG_PID: "42" };

describe("the service manager", () => {
  test("is not there where nothing listens", () => {
    expect(rig({}).manager).toBeUndefined();
  });

  test("hears of the start, of a reload with its time, and of the end", () => {
    const { manager, said } = rig({ NOTIFY_SOCKET: "/run/systemd/notify" });
    manager?.ready("greenhouse-1: running");
    manager?.reloading();
    manager?.stopping();
    expect(said).toEqual([
      "READY=1\nSTATUS=greenhouse-1: running",
      "RELOADING=1\nMONOTONIC_USEC=5000250",
      "STOPPING=1",
    ]);
  });

  test("hears three times in each of its windows that the node is well", async () => {
    const { clock, said, end } = rig(WATCHED);
    await clock.advance(60_000);
    expect(said).toEqual(new Array(7).fill("WATCHDOG=1"));
    await end();
  });

  test("that has gone or does not keep up costs the node nothing: neither its start, nor its stop, nor later words", async () => {
    const clock = new VirtualClock({ wallMs: 0, monotonicMs: 0 });
    let said = 0;
    const sdNotify = (): boolean => {
      said++;
      throw Object.assign(new Error("resource temporarily unavailable"), { code: "EAGAIN" });
    };
    const manager = findServiceManager({
      env: WATCHED,
      pid: 42,
      clock,
      onUnwell: () => {},
      addon: { sdNotify },
    });
    manager?.ready("greenhouse-1: running");
    const ending = new AbortController();
    const alive = manager?.keepAlive(() => undefined, ending.signal);
    await clock.advance(60_000);
    manager?.reloading();
    manager?.stopping();
    ending.abort();
    await alive;
    expect(said).toBe(10);
  });

  test("hears nothing while the node is not well, and again when it is", async () => {
    let finding: string | undefined;
    const { clock, said, findings, end } = rig(WATCHED, () => finding);
    await clock.advance(15_000);
    finding = "sensor air is not read any more";
    await clock.advance(30_000);
    expect(said).toHaveLength(2);
    finding = undefined;
    await clock.advance(10_000);
    expect(said).toHaveLength(3);
    expect(findings).toEqual(["sensor air is not read any more", undefined]);
    await end();
  });

  test.each([
    ["no watchdog is set", { NOTIFY_SOCKET: "@x" }],
    ["the watchdog watches another process", { ...WATCHED, WATCHDOG_PID: "41" }],
    ["the time means nothing", { ...WATCHED, WATCHDOG_USEC: "soon" }],
  ])("is not told how the node is where %s", async (_, env) => {
    const { clock, said, end } = rig(env);
    await clock.advance(600_000);
    expect(said).toEqual([]);
    await end();
  });
});
