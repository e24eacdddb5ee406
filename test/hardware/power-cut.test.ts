import { expect, test } from "vitest";
import { Ledger } from "../../src/audit/ledger.ts";
import { seededRandom } from "../../src/device/random.ts";
import { Account, type Told } from "./power-cut-account.ts";
import { createNode, type PowerCutNodeOptions } from "./power-cut-node.ts";

/** How often the power is cut, over the three kinds of node. A long run: POWER_CUTS=500. */
const POWER_CUTS = Number(process.env["POWER_CUTS"] ?? 27);
const KINDS = 3;
/** Chooses the instants; that they are hit to the microsecond is up to the machine. */
const SEED = Number(process.env["POWER_CUT_SEED"] ?? Date.now() % 1_000_000);

const SYNC_AFTER_MS = 300;
/** Beyond `sync_after`: the machine's own delays. A flush of the guest's disk is one of the host's. */
const SLACK_MS = 1_200;
const PROMISES = { syncAfterMs: SYNC_AFTER_MS, slackMs: SLACK_MS };

/** Counted from the start of the process, so that some cuts come while the outbox is being opened. */
const LONGEST_LIFE_MS = 5_000;
/** A long run says how far it is after so many cuts, so that one that is broken off has told something. */
const REPORT_EVERY = 25;
/** One life in so many is that long, so that there are always records old enough to be asked for. */
const LONG_LIVES = 4;

const LIMIT_MS = 60_000 + POWER_CUTS * 10_000;

test("a disk that writes at once keeps what was promised, cut by cut", { timeout: LIMIT_MS }, async () => {
  await keepsItsPromises("plain disk", {});
});

test("so does a disk with a write cache that loses, reorders and tears", { timeout: LIMIT_MS }, async () => {
  await keepsItsPromises("write cache", { writeCache: { earlyPercent: 50, seed: SEED } });
});

test("so does a node whose youngest records are in memory, on such a disk", {
  timeout: LIMIT_MS,
}, async () => {
  await keepsItsPromises("tail", { writeCache: { earlyPercent: 50, seed: SEED }, tail: true });
});

test("a disk that only says it has flushed is found out: the check can fail", {
  timeout: LIMIT_MS,
}, async () => {
  const writeCache = { earlyPercent: 0, seed: SEED, lies: true };
  expect(await violationsOf({ syncAfterMs: SYNC_AFTER_MS, writeCache })).not.toEqual([]);
});

test("a node that syncs too late is found out on a plain disk", { timeout: LIMIT_MS }, async () => {
  expect(await violationsOf({ syncAfterMs: 3_600_000 })).not.toEqual([]);
});

/**
 * A life has no broker, so that all must be on the disk; or one that goes at some moment, so that a backlog is left; or
 * one that stays, so that of what was delivered nothing need be on the disk, and its numbers must be known nonetheless.
 */
async function keepsItsPromises(
  name: string,
  options: Pick<PowerCutNodeOptions, "writeCache" | "tail">,
): Promise<void> {
  const cuts = Math.ceil(POWER_CUTS / KINDS);
  const random = seededRandom(SEED);
  const account = new Account(PROMISES);
  const ledger = new Ledger("n1");
  const node = await createNode({ syncAfterMs: SYNC_AFTER_MS, ...options });
  try {
    let last = await node.live({ forMs: random() * LONGEST_LIFE_MS, brokerForMs: 0 });
    for (let cut = 1; cut <= cuts; cut++) {
      observe(ledger, last.heard);
      const forMs = cut % LONG_LIVES === 0 ? LONGEST_LIFE_MS : random() * LONGEST_LIFE_MS;
      const brokerForMs = [0, random() * forMs, LONGEST_LIFE_MS * 2][cut % 3]!;
      const next = cut < cuts ? await node.live({ forMs, brokerForMs }) : await node.drain();
      account.judge({ ...last, survivors: next.found });
      last = next;
      if (cut % REPORT_EVERY === 0 && cut < cuts)
        report(`${name}, so far`, { cuts: cut, ...account.summary, violations: account.violations.length });
    }
    observe(ledger, last.heard);
    account.hear(last.heard);
  } finally {
    await node.remove();
  }
  const { lost, skipped, received } = ledger.verdict();
  report(name, { seed: SEED, cuts, ...account.summary, received, skipped, lost });
  expect({ violations: account.violations, lost }).toEqual({ violations: [], lost: 0 });
  if (cuts > LONG_LIVES) expect(account.summary.checked).toBeGreaterThan(0);
}

async function violationsOf(options: PowerCutNodeOptions): Promise<readonly string[]> {
  const node = await createNode(options);
  try {
    const account = new Account(PROMISES);
    const life = await node.live({ forMs: LONGEST_LIFE_MS, brokerForMs: 0 });
    const { found } = await node.live({ forMs: 0, brokerForMs: 0 });
    account.judge({ ...life, survivors: found });
    return account.violations;
  } finally {
    await node.remove();
  }
}

function observe(ledger: Ledger, heard: readonly Told[]): void {
  for (const { seq, topic, fields } of heard) ledger.observe(topic, JSON.stringify({ seq, ...fields }));
}

function report(name: string, numbers: Readonly<Record<string, number>>): void {
  const text = Object.entries(numbers).map(([what, number]) => `${what} ${number}`);
  process.stderr.write(`power cuts, ${name}: ${text.join(", ")}\n`);
}
