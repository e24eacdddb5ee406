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

test("audit tells an outage once, and with the address once, however often it tries", async (context) => {
  const broker = await startMosquitto();
  context.onTestFinished(() => broker.stop());
  let said = "";
  const io = { env: {}, cwd: "/", stdout() {}, stderr: (text: string) => (said += text) };
  const running = audit(
    ["--broker", `mqtt://127.0.0.1:${broker.port}`, "--for", "8s", "n1"],
    io as unknown as Parameters<typeof audit>[1],
  );
  const heard = async (count: number) => {
    while (said.split("listening").length <= count) await pause(10);
  };
  await heard(1);
  await broker.down();
  // Long enough for a second and a third attempt (0.5 s, doubled each time, full jitter).
  await pause(3_500);
  await broker.restart();
  await heard(2);
  await running;
  expect(said.match(/nothing listens/g)).toHaveLength(1);
  expect(said).not.toMatch(/(mqtt:\/\/127\.0\.0\.1:\d+): \1/);
});
