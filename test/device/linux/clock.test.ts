import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linuxClock } from "../../../src/device/linux/clock.ts";
import { clockState } from "../../../src/device/linux/clock-set.ts";

const NOW = Date.UTC(2026, 10, 23);
const NO_BATTERY = Date.UTC(1970, 0, 1, 0, 1);
/** STA_PLL, as timesyncd leaves it; and STA_UNSYNC, as the kernel boots. */
const KEPT = 0x01;
const UNKEPT = 0x40;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "fieldpost-clock-"));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text = ""): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

describe("whether the clock has been set", () => {
  const SYNCHRONIZED = "run/systemd/timesync/synchronized";
  const RUNNING = "run/systemd/timesync/x";

  test.each<[string, number | undefined, string[], number, boolean]>([
    ["the kernel knows that it is kept", KEPT, [], NOW, true],
    ["the kernel knows that it is kept, whoever does it", KEPT, [RUNNING], NOW, true],
    ["nobody has kept it for hours, but timesyncd did", UNKEPT, [SYNCHRONIZED], NOW, true],
    ["timesyncd has not done so yet", UNKEPT, [RUNNING], NOW, false],
    ["nobody keeps it, and the date is plausible", UNKEPT, [], NOW, true],
    ["nobody keeps it, and the date is 1970", UNKEPT, [], NO_BATTERY, false],
    ["the kernel cannot be asked, and timesyncd has synchronised", undefined, [SYNCHRONIZED], NOW, true],
    ["the kernel cannot be asked, and timesyncd has not synchronised", undefined, [RUNNING], NOW, false],
    ["nobody can be asked, and the date is plausible", undefined, [], NOW, true],
    ["nobody can be asked, and the date is 1970", undefined, [], NO_BATTERY, false],
    ["chrony runs and has not told the kernel yet", UNKEPT, ["run/chrony/chronyd.pid"], NOW, false],
    ["chrony has told the kernel", KEPT, ["run/chrony/chronyd.pid"], NOW, true],
    ["chrony runs and the kernel cannot be asked", undefined, ["run/chrony/chronyd.pid"], NOW, true],
    ["the machine boots with the date of its last shutdown", UNKEPT, ["etc/fake-hwclock.data"], NOW, false],
    ["it does, and timesyncd has synchronised", UNKEPT, ["etc/fake-hwclock.data", SYNCHRONIZED], NOW, true],
  ])("%s", (_name, status, files, wallMs, set) => {
    for (const file of files) put(file);
    expect(clockState(wallMs, root, () => status).isSet).toBe(set);
  });
});

describe("what is known and what is guessed", () => {
  test("a battery-backed clock that the kernel set its own by is known", () => {
    put("etc/fake-hwclock.data");
    put("sys/class/rtc/rtc0/hctosys", "0\n");
    expect(clockState(NOW, root, () => UNKEPT)).toEqual({ isSet: false, isKnown: false });
    put("sys/class/rtc/rtc1/hctosys", "1\n");
    expect(clockState(NOW, root, () => UNKEPT)).toEqual({ isSet: true, isKnown: true });
    // One whose battery is empty says 1970.
    expect(clockState(NO_BATTERY, root, () => UNKEPT).isSet).toBe(false);
  });

  test("what was known stays so in this boot; what was guessed is asked again", () => {
    let status = KEPT;
    let nowMs = 0;
    let wallMs = NOW;
    const options = { root, wallMs: () => wallMs, monotonicMs: () => nowMs, kernelStatus: () => status };
    const clock = linuxClock(options);
    expect(clock.synced()).toBe(true);
    status = UNKEPT;
    wallMs = NO_BATTERY;
    nowMs = 60_000;
    // Nobody has kept it for hours, or somebody has set it by hand: it has been set all the same.
    expect(clock.synced()).toBe(true);
    const guessing = linuxClock({ ...options, wallMs: () => NOW });
    expect(guessing.synced()).toBe(true);
    put("run/systemd/timesync/x");
    nowMs = 120_000;
    expect(guessing.synced()).toBe(false);
  });
});

describe("the real clock", () => {
  test("has the kernel's boot id, and one of its own where there is no kernel to ask", () => {
    expect(linuxClock().bootId).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8));
    const [first, second] = [linuxClock({ root }).bootId, linuxClock({ root }).bootId];
    expect(first).toMatch(/^[0-9a-f]{8}$/);
    expect(second).not.toBe(first);
  });

  test("counts monotonic time from the kernel's boot, so that it compares across processes", () => {
    const uptimeMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
    // CLOCK_MONOTONIC leaves out the time a machine was suspended; /proc/uptime does not.
    expect(linuxClock().monotonicMs()).toBeLessThan(uptimeMs + 1_000);
    expect(linuxClock().monotonicMs()).toBeGreaterThan(0);
  });

  test("asks whether it is set at most once a second", () => {
    let nowMs = 0;
    const clock = linuxClock({
      root,
      wallMs: () => NOW,
      monotonicMs: () => nowMs,
      kernelStatus: () => UNKEPT,
    });
    put("run/systemd/timesync/x");
    expect(clock.synced()).toBe(false);
    put("run/systemd/timesync/synchronized");
    nowMs = 999;
    expect(clock.synced()).toBe(false);
    nowMs = 1_000;
    expect(clock.synced()).toBe(true);
  });
});

describe("sleeping", () => {
  const clock = linuxClock();

  test("takes at least as long as it was told", async () => {
    const startMs = clock.monotonicMs();
    await clock.sleep(20);
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(20);
  });

  test("ends at once when its signal aborts, before or meanwhile", async () => {
    const startMs = clock.monotonicMs();
    await clock.sleep(60_000, AbortSignal.abort());
    const stop = new AbortController();
    const sleep = clock.sleep(60_000, stop.signal);
    setImmediate(() => stop.abort());
    await sleep;
    expect(clock.monotonicMs() - startMs).toBeLessThan(5_000);
  });

  test("does not end at once when it is longer than a timer can be", async () => {
    const stop = new AbortController();
    let ended = false;
    const sleep = clock.sleep(60 * 86_400_000, stop.signal).then(() => {
      ended = true;
    });
    await clock.sleep(30);
    expect(ended).toBe(false);
    stop.abort();
    await sleep;
  });

  test("of no length ends without a turn of the clock", async () => {
    await clock.sleep(0);
    await clock.sleep(-5);
  });
});
