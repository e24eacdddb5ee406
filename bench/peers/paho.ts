import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { PEERS_FOLDER } from "./peer.ts";

/** Where Debian puts Go packages. */
const GO_PATH = "/usr/share/gocode";
const PACKAGE = "github.com/eclipse/paho.mqtt.golang";
const DEBIAN_PACKAGES = "golang-go golang-github-eclipse-paho.mqtt.golang-dev";
/** A machine that has never compiled Go compiles its library too. */
const BUILD_TIMEOUT_MS = 180_000;
const RUN_TIMEOUT_MS = 120_000;

/** Publishes through paho.mqtt.golang and its file store, in a process of its own. */
export interface Paho {
  publish(port: number, count: number, window: number, message: PahoMessage): Promise<PahoRun>;
}

export interface PahoMessage {
  readonly topic: string;
  readonly payload: string;
}

export interface PahoRun {
  readonly tookMs: number;
  readonly cpuMs: number;
  readonly firstMs: number;
}

/** A text says why it cannot be measured here. */
export function buildPaho(folder: string): Paho | string {
  if (spawnSync("go", ["version"]).status !== 0 || !existsSync(join(GO_PATH, "src", PACKAGE)))
    return `paho.mqtt.golang: not measured: install ${DEBIAN_PACKAGES} (Debian)`;
  const program = join(folder, "paho");
  const built = spawnSync("go", ["build", "-o", program, join(PEERS_FOLDER, "paho/main.go")], {
    encoding: "utf8",
    timeout: BUILD_TIMEOUT_MS,
    env: { ...process.env, GO111MODULE: "off", GOPATH: GO_PATH, GOCACHE: join(folder, "go-cache") },
  });
  if (built.status !== 0)
    return `paho.mqtt.golang: not measured: it cannot be compiled: ${built.stderr.trim()}`;
  return {
    async publish(port, count, window, { topic, payload }) {
      const store = join(folder, "paho-store");
      mkdirSync(store);
      const args = [store, String(port), String(count), String(window), topic, payload];
      const { stdout } = await promisify(execFile)(program, args, { timeout: RUN_TIMEOUT_MS });
      rmSync(store, { recursive: true });
      return JSON.parse(stdout) as PahoRun;
    },
  };
}
