import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";

const noNames = { serial: undefined, hostname: undefined, machineId: undefined };

async function load(mqtt: string, files: Map<string, string>) {
  const text = `device: { id: n1 }\nmqtt: { url: "mqtts://b", ${mqtt} }\nbuffer: { path: /o }\n`;
  const result = await loadConfig(text, {
    file: "/c/node.yaml",
    env: { NAME: "fixed" },
    machine: noNames,
    readFile(path) {
      const content = files.get(path);
      if (content === undefined) throw Object.assign(new Error("gone"), { code: "ENOENT" });
      return content;
    },
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config.mqtt;
}

describe("user and password", () => {
  test("from a file are read anew at each connect, trimmed, so that one can be changed without a restart", async () => {
    const files = new Map([["/c/pw", "old\n"]]);
    const mqtt = await load(`username: "\${device}-x", password: "\${file:pw}"`, files);
    expect(mqtt.password).toBe("old");
    expect(mqtt.readCredentials?.()).toEqual({ username: "n1-x", password: "old" });
    files.set("/c/pw", "new\n");
    expect(mqtt.readCredentials?.()).toEqual({ username: "n1-x", password: "new" });
  });

  test("whose file is gone meanwhile is one clear error that keeps its secret", async () => {
    const files = new Map([["/c/pw", "hunter2"]]);
    const mqtt = await load(`username: u, password: "\${file:pw}"`, files);
    files.clear();
    expect(mqtt.readCredentials).toThrow(/mqtt\.username, mqtt\.password: .*pw/);
  });

  test("that cannot change are not read again", async () => {
    expect((await load(`username: u, password: "\${env:NAME}"`, new Map())).readCredentials).toBeUndefined();
    expect((await load("version: auto", new Map())).readCredentials).toBeUndefined();
  });
});
