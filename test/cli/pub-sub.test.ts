import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CliIo } from "../../src/cli/io.ts";
import { pub } from "../../src/cli/pub.ts";
import { sub } from "../../src/cli/sub.ts";
import { freePort, type Mosquitto, startMosquitto } from "../broker/mosquitto.ts";

let broker: Mosquitto;
let folder: string;
beforeAll(async () => {
  broker = await startMosquitto();
  folder = await mkdtemp(join(tmpdir(), "fieldpost-pub-"));
  await writeFile(join(folder, "c.yaml"), `device: { id: n1 }\nmqtt: { url: "${broker.url}" }\n`);
});
afterAll(async () => {
  await broker.stop();
  await rm(folder, { recursive: true });
});

function io() {
  const out: string[] = [];
  const given: CliIo = {
    stdout: (text) => void out.push(text),
    stderr: () => {},
    env: {},
    cwd: folder,
    isTty: false,
    columns: 80,
  };
  return { given, text: () => out.join("") };
}

const CONFIG = ["--config", "c.yaml"];

describe("pub and sub", () => {
  test("carry a text, retained, at each QoS", async () => {
    for (const qos of ["0", "1", "2"]) {
      expect(await pub([`t/${qos}`, "grün", "--qos", qos, "--retain", ...CONFIG], io().given)).toBe(0);
      const { given, text } = io();
      expect(await sub([`t/${qos}`, "--count", "1", "--qos", qos, ...CONFIG], given)).toBe(0);
      expect(text()).toBe(`t/${qos} grün\n`);
    }
  });

  test("carry a file's bytes, shown as what they are", async () => {
    await writeFile(join(folder, "bytes"), Uint8Array.of(0, 255, 1));
    await pub(["bin", "--file", "bytes", "--retain", ...CONFIG], io().given);
    const plain = io();
    await sub(["bin", "--count", "1", ...CONFIG], plain.given);
    expect(plain.text()).toBe("bin (3 bytes) 00ff01\n");
    const json = io();
    await sub(["bin", "--count", "1", "--json", ...CONFIG], json.given);
    expect(JSON.parse(json.text())).toMatchObject({
      topic: "bin",
      qos: 1,
      retain: true,
      payload_base64: "AP8B",
    });
  });

  test("sub ends with 0 when its time is over, though nothing came", async () => {
    const { given, text } = io();
    expect(await sub(["nothing", "--for", "100ms", ...CONFIG], given)).toBe(0);
    expect(text()).toBe("");
  });

  test.each([
    [pub, ["t"], "pub takes"],
    [pub, ["t", "x", "--file", "y"], "pub takes"],
    [pub, ["t/#", "x"], "wildcards"],
    [pub, ["t", "x", "--qos", "3"], "--qos 3"],
    [sub, [], "sub takes"],
    [sub, ["a/#/b"], "filter"],
    [sub, ["a", "--count", "0"], "--count"],
    [sub, ["a", "--for", "soon"], "--for"],
  ])("%o with %j is wrong usage", async (command, args, words) => {
    await expect(command([...args, ...CONFIG], io().given)).rejects.toMatchObject({
      exitCode: 64,
      message: expect.stringContaining(words),
    });
  });

  test("say why the broker cannot be reached", async () => {
    const port = await freePort();
    await writeFile(
      join(folder, "none.yaml"),
      `device: { id: n1 }\nmqtt: { url: "mqtt://127.0.0.1:${port}" }\n`,
    );
    await expect(pub(["t", "x", "--config", "none.yaml"], io().given)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringContaining("nothing listens"),
    });
  });
});
