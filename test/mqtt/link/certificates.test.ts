import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseServer } from "../../../src/mqtt/broker/server.ts";
import { networkDial } from "../../../src/mqtt/link/dial.ts";
import { CertificateNotYetValidError } from "../../../src/mqtt/link/link.ts";
import { readingKeys } from "../../../src/node/private-key.ts";
import { type Certificate, issueCertificate } from "../../broker/certificate.ts";
import { startMosquitto } from "../../broker/mosquitto.ts";
import { recordingLog } from "../rig.ts";

const run = promisify(execFile);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fieldpost-certificates-"));
});
afterAll(() => rm(folder, { recursive: true }));

const issue = (id: string, wanted: Certificate) => issueCertificate(folder, id, wanted);

async function serving(
  files: { cert: string; key: string },
  use: (port: number) => Promise<void>,
  onSecure = (_socket: TLSSocket) => {},
) {
  const server = createServer(
    { cert: await readFile(files.cert), key: await readFile(files.key), ALPNProtocols: ["mqtt"] },
    onSecure,
  );
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

const never = new AbortController().signal;
const dialing = (
  port: number,
  tls: { ca?: string; server_name?: string; insecure?: boolean; alpn?: string[] },
) =>
  networkDial({ insecure: false, server_name: "localhost", ...tls }, (path) => readFile(path))(
    parseServer(`mqtts://127.0.0.1:${port}`),
    never,
  );

describe("a certificate", () => {
  test.each([
    [
      "that has expired",
      { to: "20210101000000Z" },
      /"broker of the test".*expired on Jan {2}1 00:00:00 2021 GMT: renew it/,
    ],
    [
      "of the future",
      { from: "20390101000000Z" },
      /"broker of the test".*not valid yet \(from Jan {2}1 00:00:00 2039 GMT\): .*clock/,
    ],
    [
      "for another host",
      { name: "broker.example" },
      /is for DNS:broker\.example, not for localhost: .*server_name/,
    ],
  ])("%s is one error that names it and says how to mend it", async (id, wanted, words) => {
    const files = await issue(id.replaceAll(" ", "-"), wanted);
    await serving(files, async (port) => {
      await expect(dialing(port, { ca: files.ca })).rejects.toThrow(words);
    });
  });

  test("of the future is told apart, so that a node without time can wait for it", async () => {
    const files = await issue("future", { from: "20390101000000Z" });
    await serving(files, async (port) => {
      await expect(dialing(port, { ca: files.ca })).rejects.toBeInstanceOf(CertificateNotYetValidError);
    });
  });

  test("signed by nobody that is trusted is named with its issuer; a new authority's is taken once its file is there", async () => {
    const old = await issue("old", {});
    const swapped = await issue("swapped", {});
    await serving(swapped, async (port) => {
      await expect(dialing(port, { ca: old.ca })).rejects.toThrow(
        /issued by "Authority swapped".*mqtt\.tls\.ca \(.*old/,
      );
      await expect(dialing(port, {})).rejects.toThrow(
        /not signed by an authority that this system trusts: set mqtt\.tls\.ca/,
      );
      // Rotation without a restart: the same dial, another file.
      const rotating = join(folder, "rotating.pem");
      await writeFile(rotating, await readFile(old.ca));
      const dial = networkDial({ ca: rotating, server_name: "localhost", insecure: false }, (path) =>
        readFile(path),
      );
      const server = parseServer(`mqtts://127.0.0.1:${port}`);
      await expect(dial(server, never)).rejects.toThrow("mqtt.tls.ca");
      await writeFile(rotating, await readFile(swapped.ca));
      (await dial(server, never)).destroy();
    });
  });

  test("that signed itself is said to be self-signed, and is taken once it is the one that is trusted", async () => {
    const cert = join(folder, "self.pem");
    const key = join(folder, "self.key");
    const names = ["-subj", "/CN=broker of the test", "-addext", "subjectAltName=DNS:localhost"];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    await run("openssl", ["req", "-x509", ...curve, "-keyout", key, ...names, "-days", "2", "-out", cert]);
    const other = await issue("beside-self", {});
    await serving({ cert, key }, async (port) => {
      await expect(dialing(port, {})).rejects.toThrow(
        /"broker of the test".* is self-signed: .*mqtt\.tls\.ca/,
      );
      await expect(dialing(port, { ca: other.ca })).rejects.toThrow(
        /is self-signed and not the one in mqtt\.tls\.ca \(.*beside-self/,
      );
      (await dialing(port, { ca: cert })).destroy();
    });
  });

  test("is not looked at only where insecure says so", async () => {
    const files = await issue("insecure", { to: "20210101000000Z", name: "elsewhere" });
    await serving(files, async (port) => {
      (await dialing(port, { insecure: true })).destroy();
    });
  });

  test("is asked for by name (SNI), and the protocol by ALPN", async () => {
    const files = await issue("sni", {});
    const seen: unknown[] = [];
    await serving(
      files,
      async (port) => {
        const stream = await dialing(port, { ca: files.ca, alpn: ["mqtt"] });
        while (seen.length === 0) await new Promise(setImmediate);
        stream.destroy();
      },
      (socket) =>
        void seen.push((socket as TLSSocket & { servername: string }).servername, socket.alpnProtocol),
    );
    expect(seen).toEqual(["localhost", "mqtt"]);
  });
});

test("a private key that everybody may read is a warning, once, with the command that mends it", async () => {
  const key = join(folder, "loose.key");
  await writeFile(key, "secret");
  await chmod(key, 0o644);
  const log = recordingLog();
  const read = readingKeys(key, log);
  await read(key);
  await read(key);
  expect(log.lines).toEqual(["warn the private key can be read by others than its owner"]);
  expect(log.fields[0]).toMatchObject({ mend: `chmod 600 ${key}` });
  await chmod(key, 0o640);
  await read(key);
  expect(log.lines).toHaveLength(1);
});

describe("a Unix socket", () => {
  test("carries MQTT as TCP does", async () => {
    const broker = await startMosquitto();
    const path = join(folder, "mqtt.sock");
    const gate = createTcpServer((near) => {
      const far = connectTcp(Number(new URL(broker.url).port), "127.0.0.1");
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => gate.listen(path, resolve));
    const stream = await networkDial(undefined, readFile)(parseServer(`mqtt+unix://${path}`), never);
    // CONNECT of MQTT 3.1.1 with the client id "u"; CONNACK is 20 02 00 00.
    stream.write(Buffer.from("100d00044d5154540402003c000175", "hex"));
    const answer = await new Promise<Buffer>((resolve) => stream.once("data", resolve));
    expect(answer.toString("hex")).toBe("20020000");
    stream.destroy();
    gate.close();
    await broker.stop();
  });

  test("that is not there is one clear error", async () => {
    const path = join(folder, "nowhere.sock");
    await expect(networkDial(undefined, readFile)(parseServer(`mqtt+unix://${path}`), never)).rejects.toThrow(
      `mqtt+unix://${path}: there is no such socket`,
    );
  });
});

test.each(["refused by a proxy", "given up by the node"])(
  "a WebSocket upgrade that is %s while nobody listens ends the stream, not the process",
  async (how) => {
    const proxy = createTcpServer((socket) => {
      socket.on("error", () => {});
      if (how === "refused by a proxy")
        socket.once("data", () => socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"));
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as AddressInfo;
    const stream = await networkDial(undefined, readFile)(parseServer(`ws://127.0.0.1:${port}/mqtt`), never);
    const closed = new Promise((resolve) => stream.once("close", resolve));
    if (how === "given up by the node") stream.destroy();
    await closed;
    proxy.close();
  },
);
