import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Aedes } from "aedes";
import { freePort, startMosquitto } from "../broker/mosquitto.ts";
import { startRabbitmq } from "./rabbitmq.ts";

export interface User {
  readonly name: string;
  readonly password: string;
}

/** A broker of some maker on loopback. */
export interface Broker {
  readonly port: number;
  stop(): Promise<void>;
}

export interface Maker {
  readonly name: string;
  /** Spoken to in no other version, whatever it speaks; its capabilities are another entry's. */
  readonly only?: "3.1.1";
  /** Whether what it needs is here. */
  there(packages: string): boolean;
  /** With `user` it lets nobody else in. */
  start(packages: string, user?: User): Promise<Broker>;
}

export const MAKERS: readonly Maker[] = [
  { name: "mosquitto", there: () => true, start: (_, user) => mosquitto(user) },
  {
    name: "mosquitto, spoken to in MQTT 3.1.1",
    only: "3.1.1",
    there: () => true,
    start: (_, user) => mosquitto(user),
  },
  {
    name: "RabbitMQ",
    there: (packages) => packages !== "",
    async start(packages, user) {
      const { nodes, stop } = await startRabbitmq({ packages, ...(user && { user }) });
      return { port: nodes[0]!.port, stop };
    },
  },
  {
    name: "NATS",
    there: (packages) => existsSync(join(packages, "usr/sbin/nats-server")),
    start: nats,
  },
  { name: "aedes", there: () => true, start: (_, user) => aedes(user) },
];

async function mosquitto(user?: User): Promise<Broker> {
  if (user === undefined) return startMosquitto();
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-passwords-"));
  const file = join(folder, "passwords");
  execFileSync("mosquitto_passwd", ["-b", "-c", file, user.name, user.password], { stdio: "ignore" });
  const broker = await startMosquitto({ extra: [`password_file ${file}`] });
  return {
    port: broker.port,
    async stop() {
      await broker.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function nats(packages: string, user?: User): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-nats-"));
  const [port, ownPort] = await Promise.all([freePort(), freePort()]);
  const authorization = user
    ? `authorization { username: "${user.name}", password: "${user.password}" }`
    : "";
  const config = [
    `host: 127.0.0.1, port: ${ownPort}, server_name: fieldpost`,
    `jetstream { store_dir: "${folder}", max_memory_store: 64M, max_file_store: 256M }`,
    `mqtt { host: 127.0.0.1, port: ${port} }`,
    authorization,
  ];
  await writeFile(join(folder, "nats.conf"), config.join("\n"));
  const binary = join(packages, "usr/sbin/nats-server");
  const child = spawn("setpriv", ["--pdeathsig", "KILL", binary, "-c", join(folder, "nats.conf")], {
    stdio: "ignore",
  });
  for (let tries = 0; !(await accepts(port)); tries++) {
    if (child.exitCode !== null || tries > 600) throw new Error(`nats-server does not listen on ${port}`);
    await sleep(50);
  }
  return {
    port,
    async stop() {
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function aedes(user?: User): Promise<Broker> {
  const broker = await Aedes.createBroker({
    authenticate: (_client, name, password, done) =>
      done(null, !user || (name === user.name && password?.toString() === user.password)),
  });
  const server = createServer(broker.handle as never);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    async stop() {
      await new Promise<void>((resolve) => broker.close(resolve));
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
