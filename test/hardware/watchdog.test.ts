import { describe, expect, test } from "vitest";
import { bootGuest } from "./guest.ts";

/** The kernel's software watchdog, which resets the machine so long after it was last fed, as a Raspberry Pi's does. */
const MARGIN_S = 2;

/** What the kernel prints when it resets the machine; a guest that is reset ends there. */
const RESET = /softdog: Initiating system reboot/;

/** Opens the watchdog in a shell of its own, feeds it for twice the margin, and then does `then`. */
const fed = (then: string) => `
  insmod $KERNEL/softdog.ko soft_margin=${MARGIN_S}
  sh -c 'exec 3>/dev/watchdog
    for second in 1 2 3 4; do busybox sleep 1; echo . >&3; done
    echo fed
    ${then}'
  busybox sleep ${MARGIN_S + 2}
  echo alive`;

describe("a watchdog, as systemd's RuntimeWatchdogSec= feeds it", () => {
  test("that is fed lets the machine run, and rests once it was closed with the magic character", async () => {
    const printed = await run(fed("printf V >&3"));
    expect(printed).toMatch(/fed\s+alive/);
    expect(printed).not.toMatch(RESET);
  });

  test.each([
    ["is not fed any more because its feeder hangs", "while :; do :; done"],
    ["was closed without the magic character, as by a feeder that was killed", "kill -9 $$"],
  ])("that %s resets the machine", async (_what, then) => {
    const printed = await run(fed(then));
    expect(printed).toMatch(/fed/);
    expect(printed).toMatch(RESET);
    expect(printed).not.toMatch(/alive/);
  });

  test("has one feeder", async () => {
    const printed = await run(`
      insmod $KERNEL/softdog.ko soft_margin=60
      exec 3>/dev/watchdog
      (exec 4>/dev/watchdog) 2>&1
      printf V >&3`);
    expect(printed).toMatch(/Device or resource busy|Resource busy/);
  });
});

async function run(script: string): Promise<string> {
  const guest = await bootGuest({ script: script.replaceAll("insmod", "busybox insmod"), limitMs: 20_000 });
  try {
    await guest.ended;
    return guest.printed();
  } finally {
    await guest.remove();
  }
}
