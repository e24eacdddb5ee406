import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectAsync } from "mqtt";
import { expect, test } from "vitest";
import { audit } from "../../src/cli/audit.ts";
import { startMosquitto } from "../broker/mosquitto.ts";
import { configFolder } from "../process/bundle.ts";

test("audit takes broker, certificates, user and password from a node's configuration, for several devices", async (context) => {
  // A broker that lets in only those who show a certificate of its authority.
  const broker = await startMosquitto({ tls: true, extra: ["require_certificate true"] });
  context.onTestFinished(() => broker.stop());
  const pem = broker.caFile.replace(/ca\.pem$/, "server.pem");
  const key = broker.caFile.replace(/ca\.pem$/, "server.key");
  const folder = await configFolder(`
device: { id: one }
mqtt:
  url: ["mqtts://127.0.0.1:1", "${broker.url}"]
  topic_root: farm/\${device}
  username: u
  password: \${file:FOLDER/pw}
  tls: { ca: ${broker.caFile}, cert: ${pem}, key: ${key} }
buffer: { path: FOLDER/outbox, max_size: 16MiB }
`);
  context.onTestFinished(() => folder.remove());
  await writeFile(join(folder.folder, "pw"), "secret\n");
  let out = "";
  let said = "";
  const running = audit(["--config", folder.file, "--for", "4s", "--json", "one", "two"], {
    env: {},
    cwd: folder.folder,
    stdout(text: string) {
      out += text;
    },
    stderr(text: string) {
      said += text;
    },
  } as Parameters<typeof audit>[1]);
  for (let tries = 0; !said.includes("listening") && tries < 300; tries++) await pause(10);
  const client = await connectAsync(broker.url, {
    ca: await readFile(broker.caFile),
    cert: await readFile(pem),
    key: await readFile(key),
  });
  for (const device of ["one", "two"])
    for (const seq of device === "one" ? [1, 2, 3] : [1, 3])
      await client.publishAsync(`farm/${device}/telemetry/air`, JSON.stringify({ seq }), { qos: 1 });
  await client.endAsync();
  expect(await running).toBe(1);
  expect(JSON.parse(out)).toMatchObject([
    { device: "one", received: 3, lost: 0 },
    { device: "two", received: 2, lost: 1 },
  ]);
});
