import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linuxClock } from "../../src/device/linux/clock.ts";
import { VirtualClock } from "../../src/device/sim/clock.ts";
import { askNode, LocalRefusedError } from "../../src/local/client.ts";
import { type LocalServer, serveLocal } from "../../src/local/server.ts";
import { silentLog } from "../../src/log.ts";
import { recordingLog } from "../mqtt/rig.ts";

let folder: string;
let path: string;
const opened: LocalServer[] = [];
const clock = linuxClock();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fp-local-"));
  path = join(folder, "node.sock");
});
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(options: Partial<Parameters<typeof serveLocal>[0]> = {}): Promise<LocalServer> {
  const server = await serveLocal({
    paths: [path],
    clock,
    log: silentLog,
    answer: async (request) => request,
    ...options,
  });
  opened.push(server);
  return server;
}

/** A client that keeps to no rule. */
function stranger(at = path): Promise<Socket & { text: () => string; ended: Promise<void> }> {
  return new Promise((resolve, reject) => {
    const socket = connect(at);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    const ended = new Promise<void>((done) => socket.once("close", () => done()));
    socket.once("error", reject).once("connect", () => {
      socket.off("error", reject).on("error", () => {});
      resolve(Object.assign(socket, { text: () => text, ended }));
    });
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("the local socket", () => {
  test("answers a request by one line, and is for the node's user and group alone", async () => {
    await serve();
    expect(await askNode([path], { do: "status", outbox: "/x" }, clock)).toEqual({
      value: { do: "status", outbox: "/x" },
    });
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });

  test("tells why it will not do something", async () => {
    await serve({ answer: () => Promise.reject(new Error("pump: min_off")) });
    await expect(askNode([path], { do: "set" }, clock)).rejects.toThrow(
      new LocalRefusedError("pump: min_off"),
    );
  });

  test("takes the place of a socket that a dead node has left behind", async () => {
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    // As a killed process: the file stays.
    const left = join(folder, "left.sock");
    const { linkSync } = await import("node:fs");
    linkSync(path, left);
    await new Promise((resolve) => dead.close(resolve));
    expect((await serve({ paths: [left] })).path).toBe(left);
    expect(await askNode([left], { do: "x" }, clock)).toEqual({ value: { do: "x" } });
  });

  test("leaves a node that lives, and a file that is none of its own, where they are", async () => {
    await serve();
    const other = join(folder, "other");
    writeFileSync(other, "mine");
    const log = recordingLog();
    const third = join(folder, "third.sock");
    const server = await serve({ paths: [path, other, third], answer: async () => "third", log });
    expect(server.path).toBe(third);
    expect(await askNode([path], { do: "x" }, clock)).toEqual({ value: { do: "x" } });
    expect(await askNode([third], { do: "x" }, clock)).toEqual({ value: "third" });
  });

  test("is never fatal: without a place for it the node says so and goes on", async () => {
    const log = recordingLog();
    const long = join(folder, "x".repeat(120));
    const server = await serve({ paths: [join(folder, "absent", "a.sock"), long], log });
    expect(server.path).toBeUndefined();
    expect(log.lines).toEqual([expect.stringContaining("warn there is no local socket")]);
    expect(String(log.fields[0]?.["error"])).toMatch(/absent.*longer than the 107 bytes/);
    expect(await askNode([long, join(folder, "absent", "a.sock")], { do: "x" }, clock)).toBeUndefined();
  });

  test.each([
    ["no JSON", "hello\n", /one line of JSON/],
    ["a list", "[1]\n", /JSON object/],
    ["no do", "{}\n", /a request needs/],
    ["a line without an end", "x".repeat(5_000), /at most 4096 bytes/],
    ["a flood", '{"do":"x"}\n'.repeat(200), /too many requests at once/],
  ])("answers %s with what is wrong", async (_name, bytes, message) => {
    await serve();
    const socket = await stranger();
    socket.write(bytes);
    await until(() => message.test(socket.text()));
    socket.destroy();
    expect(await askNode([path], { do: "x" }, clock)).toEqual({ value: { do: "x" } });
  });

  test("serves eight at once and tells the others that it is busy", async () => {
    await serve();
    const guests = [];
    for (let nth = 0; nth < 8; nth++) guests.push(await stranger());
    const ninth = await stranger();
    await ninth.ended;
    expect(ninth.text()).toContain("busy");
    for (const guest of guests) guest.destroy();
    await Promise.all(guests.map(({ ended }) => ended));
  });

  test("hangs up on who says nothing, and on who says half a request and no more", async () => {
    const virtual = new VirtualClock({ wallMs: 0 });
    await serve({ clock: virtual });
    const silent = await stranger();
    const half = await stranger();
    half.write('{"do":');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await virtual.advance(11_000);
    await Promise.all([silent.ended, half.ended]);
  });

  test("answers what one asks in order, one after the other", async () => {
    let running = 0;
    await serve({
      async answer(request) {
        running++;
        expect(running).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running--;
        return request["n"];
      },
    });
    const socket = await stranger();
    socket.write([1, 2, 3].map((n) => `${JSON.stringify({ do: "x", n })}\n`).join(""));
    await until(() => socket.text().split("\n").length === 4);
    expect(
      socket
        .text()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).value),
    ).toEqual([1, 2, 3]);
    socket.destroy();
  });
});
