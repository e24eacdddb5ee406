import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { BUILT, bundle } from "./bundles.ts";
import { bootGuest } from "./guest.ts";

/** Without a network and a time, then with both. */
const BLIND_S = Number(process.env["BLIND_HOURS"] ?? 3) * 3_600;
const SEEING_S = 3_600;
const NOW_S = Date.UTC(2026, 10, 23, 12) / 1_000;
const INTERVAL_S = 60;
const LIMIT_MS = 300_000;

const CONFIG = `
device: { id: n1 }
mqtt: { url: "mqtt://127.0.0.1:1883", reconnect: { min: 1s, max: 30s } }
buffer: { path: /run/outbox }
sensors: [{ id: board, driver: host, interval: ${INTERVAL_S}s }]
`;

test("the built node in a kernel that boots in 1970 and learns the time hours later dates every record rightly", {
  timeout: LIMIT_MS + 10_000,
}, async () => {
  const file = (name: string) => fileURLToPath(new URL(`guest/${name}`, import.meta.url));
  const [broker] = await bundle("broker.ts");
  const environment = {
    NODE: process.execPath,
    FIELDPOST: join(BUILT, "fieldpost.js"),
    BROKER: broker!,
    PYTHON: execFileSync("sh", ["-c", "command -v python3"], { encoding: "utf8" }).trim(),
    SET_CLOCK: file("set-clock.py"),
    BLIND_S,
    SEEING_S,
    NOW_S,
  };
  const assignments = Object.entries(environment).map(([name, value]) => `${name}='${value}'\n`);
  const guest = await bootGuest({
    script: `${assignments.join("")}${await readFile(file("time-repair.sh"), "utf8")}`,
    files: { "fieldpost.yaml": CONFIG },
    // Time jumps over what nobody waits for; without inf-cpu, so that whoever looks at the clock sees it go on.
    kernelArguments: ["time-travel"],
    limitMs: LIMIT_MS,
  });
  let printed = "";
  let log = "";
  try {
    const status = await guest.ended;
    printed = guest.printed();
    log = await readFile(join(guest.folder, "node.log"), "utf8").catch(() => "");
    expect(status, `${printed}\n${log}`).toBe(0);
  } finally {
    await guest.remove();
  }
  expect(printed).toMatch(/the node ended with 0/);
  const heard = [
    ...printed.matchAll(/^heard fieldpost\/n1\/(telemetry\/board|event\/\w+) (\{.*\})\r?$/gm),
  ].map(([, topic, json]) => ({ topic, json: JSON.parse(json!) }));
  const readings = heard.filter(({ topic }) => topic === "telemetry/board").map(({ json }) => json);
  expect(readings.length).toBeGreaterThanOrEqual((BLIND_S + SEEING_S) / INTERVAL_S - 2);
  // The clock was set BLIND_S after the node was started: each reading's time follows from its place.
  const firstMs = (NOW_S - BLIND_S) * 1_000;
  for (const [nth, { time }] of readings.entries())
    expect(Math.abs(Date.parse(time) - firstMs - nth * INTERVAL_S * 1_000)).toBeLessThan(30_000);
  const repaired = readings.filter(({ clock }) => clock === "repaired").length;
  expect(Math.abs(repaired - BLIND_S / INTERVAL_S)).toBeLessThanOrEqual(2);
  expect(readings.filter(({ clock }) => clock === "unsynced")).toEqual([]);
  const numbers = heard.map(({ json }) => json.seq);
  expect(numbers).toEqual(numbers.map((_, nth) => nth + 1));
  const clockEvent = heard.find(({ topic, json }) => topic === "event/clock" && json.synced === true);
  expect(clockEvent!.json.step_ms / 1_000).toBeGreaterThan(NOW_S - BLIND_S - 1_000);
  process.stderr.write(`time repair: ${readings.length} readings, ${repaired} repaired\n`);
});
