import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface MosquittoOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Serves TLS with a fresh certificate for `localhost` and 127.0.0.1. */
  readonly tls?: boolean;
  /** Keeps sessions and retained messages in a file, across {@link Mosquitto.restart}. */
  readonly persistence?: boolean;
  /** `max_inflight_messages`; to MQTT 5 clients it is the Receive Maximum. */
  readonly maxInflight?: number;
  /** Serves WebSockets instead of plain MQTT. */
  readonly webSockets?: boolean;
  /** Further lines of mosquitto.conf. */
  readonly extra?: readonly string[];
}

export interface Mosquitto {
  readonly url: string;
  readonly port: number;
  /** The authority that signed the broker's certificate, PEM; with `tls` only. */
  readonly caFile: string;
  /** Ends the broker in order and removes its folder. */
  stop(): Promise<void>;
  /** Ends it in order and starts it again on the same port. */
  restart(): Promise<void>;
  /** Ends it in order; {@link restart} brings it back. */
  down(): Promise<void>;
  /** SIGKILL; {@link restart} brings it back. */
  kill(): Promise<void>;
}

/** A real broker on loopback. Fails where mosquitto is not installed: a test that did not run proves nothing. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const binary = findMosquitto();
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-mosquitto-"));
  const port = options.port ?? (await freePort());
  if (options.tls) await makeCertificates(folder);
  const config = join(folder, "mosquitto.conf");
  const lines = await configuration(folder, port, options);
  await writeFile(config, `${lines.join("\n")}\n`);
  // It opens one listener after the other. Who comes by the last must not come too early.
  const ports = lines.flatMap((line) => /^listener ([1-9]\d*) /.exec(line)?.[1] ?? []).map(Number);

  let child = await start(binary, config, ports);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await exited;
  };
  return {
    url: `${scheme(options)}://localhost:${port}`,
    port,
    caFile: join(folder, "ca.pem"),
    async stop() {
      await end("SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
    async restart() {
      await end("SIGTERM");
      child = await start(binary, config, ports);
    },
    down: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}

function findMosquitto(): string {
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/sbin",
  ];
  const binary = folders.map((folder) => join(folder, "mosquitto")).find((file) => existsSync(file));
  if (binary === undefined) throw new Error("mosquitto is not installed: run `npm run setup`");
  return binary;
}

function scheme({ tls, webSockets }: MosquittoOptions): string {
  if (webSockets) return tls ? "wss" : "ws";
  return tls ? "mqtts" : "mqtt";
}

async function configuration(folder: string, port: number, options: MosquittoOptions): Promise<string[]> {
  return [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "log_dest stderr",
    "log_type error",
    ...(options.webSockets ? ["protocol websockets", "socket_domain ipv4"] : []),
    ...(process.getuid?.() === 0 ? ["user root"] : []),
    ...(options.persistence ? ["persistence true", `persistence_location ${folder}/`] : []),
    ...(options.maxInflight === undefined ? [] : [`max_inflight_messages ${options.maxInflight}`]),
    ...(options.tls
      ? [`cafile ${folder}/ca.pem`, `certfile ${folder}/server.pem`, `keyfile ${folder}/server.key`]
      : []),
    ...(options.extra ?? []),
    // Mosquitto 2.0 exits where WebSockets are all it serves.
    ...(options.webSockets ? [`listener ${await freePort()} 127.0.0.1`] : []),
  ];
}

async function start(binary: string, config: string, ports: readonly number[]): Promise<ChildProcess> {
  const child = spawn(binary, ["-c", config], { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    errors += chunk;
  });
  let failed: Error | undefined;
  child.once("error", (error) => {
    failed = error;
  });
  for (let tries = 0; tries < 500; tries++) {
    if (failed) throw failed;
    if (child.exitCode !== null) throw new Error(`mosquitto exited with ${child.exitCode}: ${errors}`);
    if ((await Promise.all(ports.map(accepts))).every(Boolean)) return child;
    await sleep(10);
  }
  child.kill("SIGKILL");
  throw new Error(`mosquitto does not listen on ports ${ports}: ${errors}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/**
 * A port on loopback for a server that cannot choose one itself. From below those that kernels give to whoever does not
 * care (32,768 and up on Linux): between this answer and the server's start no client's connection takes it.
 */
export async function freePort(): Promise<number> {
  const port = FIRST_PORT + (nextPort++ % PORTS);
  return (await listens(port)) ? port : freePort();
}

const FIRST_PORT = 20_000;
const PORTS = 12_000;
/** Test processes side by side begin at different ones. */
let nextPort = Math.floor(Math.random() * PORTS);

function listens(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

export interface Authority {
  readonly caFile: string;
  readonly caKeyFile: string;
}

/** A certificate authority of its own: `ca.pem` and `ca.key` in `folder`. */
export async function makeAuthority(folder: string, name = "Fieldpost test CA"): Promise<Authority> {
  await mkdir(folder, { recursive: true });
  const caFile = join(folder, "ca.pem");
  const caKeyFile = join(folder, "ca.key");
  await openssl("req", "-x509", ...newKey(caKeyFile), "-subj", `/CN=${name}`, "-days", "2", "-out", caFile);
  return { caFile, caKeyFile };
}

async function makeCertificates(folder: string): Promise<void> {
  const { caFile, caKeyFile } = await makeAuthority(folder);
  const request = join(folder, "server.csr");
  const extensions = join(folder, "server.ext");
  await writeFile(extensions, "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  await openssl("req", ...newKey(join(folder, "server.key")), "-subj", "/CN=test broker", "-out", request);
  const signing = [
    "-CA",
    caFile,
    "-CAkey",
    caKeyFile,
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    extensions,
  ];
  await openssl("x509", "-req", "-in", request, ...signing, "-out", join(folder, "server.pem"));
}

const newKey = (file: string) => [
  "-newkey",
  "ec",
  "-pkeyopt",
  "ec_paramgen_curve:prime256v1",
  "-nodes",
  "-keyout",
  file,
];

async function openssl(...args: readonly string[]): Promise<void> {
  try {
    await run("openssl", args);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new Error("openssl is not installed: run `npm run setup`");
    throw error;
  }
}
