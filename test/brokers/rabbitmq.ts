import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../broker/mosquitto.ts";

/** One node of RabbitMQ with its MQTT plugin. */
export interface RabbitNode {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  /** SIGKILL: no goodbye to anybody. {@link start} brings it back. */
  kill(): Promise<void>;
  /** Ends it in order. {@link start} brings it back. */
  down(): Promise<void>;
  /** Resolves when it takes MQTT connections (and has joined the cluster). Durable data is still there. */
  start(): Promise<void>;
}

export interface Rabbitmq {
  /** In the order of their start. */
  readonly nodes: readonly RabbitNode[];
  /** Evaluates `module function [arguments]` in Erlang on a node: `rabbit_mnesia cluster_nodes [running]`. */
  call(expression: string, node?: RabbitNode): Promise<string>;
  /** Ends all nodes and the port mapper, and removes their files. */
  stop(): Promise<void>;
}

export interface RabbitmqOptions {
  /** Folder of the unpacked packages: what `setup.sh` prints. */
  readonly packages: string;
  /** More than one: a cluster. Default: 1. */
  readonly nodes?: number;
  /** Whom it lets in. Default: everybody, without a name. */
  readonly user?: { readonly name: string; readonly password: string };
  /** Further lines of rabbitmq.conf. */
  readonly extra?: readonly string[];
}

/** Erlang starts slowly, and more so on a machine that does other things as well. */
const START_MS = 90_000;

const END_MS = 20_000;

/**
 * Real RabbitMQ on loopback, as the user who runs the tests: own node names, own port mapper (epmd), own cookie, all files
 * in a temporary folder.
 *
 * To know of RabbitMQ 3.10: the MQTT plugin keeps the client ids in a Raft group, so that MQTT wants a majority of the
 * nodes. Of two nodes the one that is left goes on with MQTT, but the killed one does not take MQTT again when it is back;
 * of three it does, within seconds. Each node keeps its own retained messages.
 */
export async function startRabbitmq(options: RabbitmqOptions): Promise<Rabbitmq> {
  const { packages, nodes: count = 1 } = options;
  const folder = await mkdtemp(join(tmpdir(), "fieldpost-rabbitmq-"));
  const epmdPort = await freePort();
  const env: NodeJS.ProcessEnv = {
    PATH: [join(packages, "usr/bin"), process.env["PATH"]].join(delimiter),
    LD_LIBRARY_PATH: libraries(packages),
    LANG: "C.UTF-8",
    // The cookie that nodes know each other by is a file in here.
    HOME: folder,
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
  };
  // In the foreground and ours: a node that finds none starts one that outlives it.
  const epmd = start("epmd", ["-port", String(epmdPort), "-address", "127.0.0.1"], { env });
  const names = Array.from({ length: count }, (_, at) => `rabbit${at + 1}@localhost`);
  const nodes: (RabbitNode & { end(signal: NodeJS.Signals): Promise<void> })[] = [];

  const stop = async () => {
    await Promise.all(nodes.map((node) => node.end("SIGKILL")));
    await ended(epmd, "SIGTERM");
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until(() => accepts(epmdPort), epmd, "epmd");
    for (const [at, name] of names.entries()) {
      const node = await prepareNode(name, names.slice(0, at + 1), { ...options, folder, env });
      nodes.push(node);
      await node.start();
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    nodes,
    stop,
    call: (expression, node = nodes[0]!) => erlCall(node.name, expression, env),
  };
}

interface Preparing extends RabbitmqOptions {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
}

/** `members`: the nodes that are there already, and itself. */
async function prepareNode(name: string, members: readonly string[], options: Preparing) {
  const { packages, folder, env } = options;
  const home = join(folder, name);
  await mkdir(home);
  const [amqpPort, port, distributionPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const config = join(home, "rabbitmq.conf");
  await writeFile(config, configuration(amqpPort!, port!, members, options));
  await writeFile(join(home, "enabled_plugins"), "[rabbitmq_mqtt].\n");
  const script = join(packages, rabbitHome(packages), "sbin/rabbitmq-server");
  const nodeEnv: NodeJS.ProcessEnv = {
    ...env,
    RABBITMQ_NODENAME: name,
    RABBITMQ_CONFIG_FILE: config,
    RABBITMQ_ADVANCED_CONFIG_FILE: join(home, "none"),
    RABBITMQ_CONF_ENV_FILE: join(home, "none"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, "enabled_plugins"),
    RABBITMQ_MNESIA_BASE: join(home, "data"),
    RABBITMQ_LOG_BASE: home,
    RABBITMQ_LOGS: join(home, "log"),
    RABBITMQ_PID_FILE: join(home, "pid"),
    RABBITMQ_DIST_PORT: String(distributionPort),
    // Few threads that do not spin while they wait: the machine has other things to do.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      "+S 2:2 +SDio 2 +sbwt none +sbwtdcpu none +sbwtdio none -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
    // The script then becomes the broker, instead of waiting for it.
    RABBITMQ_ALLOW_INPUT: "1",
  };
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals) => {
    if (child) await ended(child, signal);
    child = undefined;
  };
  return {
    name,
    port: port!,
    url: `mqtt://127.0.0.1:${port}`,
    end,
    kill: () => end("SIGKILL"),
    down: () => end("SIGTERM"),
    async start() {
      child = start("sh", [script, "-noinput"], { env: nodeEnv, cwd: home });
      try {
        await until(() => accepts(port!), child, name);
      } catch (error) {
        const log = await readFile(join(home, "log"), "utf8").catch(() => "(no log)");
        throw new Error(`${(error as Error).message}\n${log.slice(-4_000)}`);
      }
    },
  };
}

function configuration(
  amqpPort: number,
  mqttPort: number,
  members: readonly string[],
  { user, extra = [] }: RabbitmqOptions,
): string {
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${amqpPort}`,
    `mqtt.listeners.tcp.1 = 127.0.0.1:${mqttPort}`,
    `mqtt.allow_anonymous = ${user === undefined}`,
    ...(user ? [`default_user = ${user.name}`, `default_pass = ${user.password}`] : []),
    // What a small test machine has free is nothing to stop publishers for.
    "disk_free_limit.absolute = 50MB",
    "log.file.level = warning",
    "log.console = false",
    ...(members.length > 1
      ? [
          "cluster_formation.peer_discovery_backend = classic_config",
          ...members.map((name, at) => `cluster_formation.classic_config.nodes.${at + 1} = ${name}`),
          "cluster_partition_handling = ignore",
        ]
      : []),
    ...extra,
  ];
  return `${lines.join("\n")}\n`;
}

function rabbitHome(packages: string): string {
  const parent = "usr/lib/rabbitmq/lib";
  const [version] = readdirSync(join(packages, parent)).filter((name) => name.startsWith("rabbitmq_server-"));
  if (version === undefined) throw new Error(`no RabbitMQ in ${packages}: run test/brokers/setup.sh`);
  return join(parent, version);
}

/** Where Debian's packages have libraries that this machine may not have: one folder for each architecture. */
function libraries(packages: string): string {
  const parent = join(packages, "usr/lib");
  const folders = readdirSync(parent).filter((name) => name.includes("-linux-gnu"));
  return folders.map((name) => join(parent, name)).join(delimiter);
}

/** Ends with us, however we end: nothing is left running by a test run that was killed. */
function start(command: string, args: readonly string[], options: { env: NodeJS.ProcessEnv; cwd?: string }) {
  return spawn("setpriv", ["--pdeathsig", "KILL", command, ...args], { ...options, stdio: "ignore" });
}

function erlCall(name: string, expression: string, env: NodeJS.ProcessEnv): Promise<string> {
  const cookieFile = join(env["HOME"]!, ".erlang.cookie");
  return new Promise((resolve, reject) => {
    if (!existsSync(cookieFile)) reject(new Error("no node has started yet"));
    const child = spawn("erl_call", ["-sname", name, "-timeout", "30", "-a", expression], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data) => {
        out += data;
      });
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve(out) : reject(new Error(`erl_call: ${out}`))));
  });
}

async function until(holds: () => Promise<boolean>, child: ChildProcess, name: string): Promise<void> {
  const endMs = performance.now() + START_MS;
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  while (!(await holds())) {
    if (failure) throw failure;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}`);
    if (performance.now() > endMs) throw new Error(`${name} does not listen after ${START_MS / 1_000} s`);
    await sleep(50);
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await exited;
  clearTimeout(timer);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket
      .once("connect", () => {
        socket.destroy();
        resolve(true);
      })
      .once("error", () => resolve(false));
  });
}
