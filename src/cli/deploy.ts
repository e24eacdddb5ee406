import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { deployScript, PROBE } from "../deploy/remote-scripts.ts";
import { configFiles, findPackage, loadForDevice, readPackage, readSecrets } from "./device-files.ts";
import { CliError, EXIT, wrongUsage } from "./exit.ts";
import type { CliIo } from "./io.ts";

const DEFAULT_HEALTH_S = 60;

/** Architectures that there are packages for, and which. */
const PACKAGES: Readonly<Record<string, string>> = {
  arm64: "fieldpost",
  amd64: "fieldpost",
  armhf: "fieldpost-app",
};

/**
 * `fieldpost deploy USER@HOST --config FILE ...`: turns a Pi that runs into this node, over ssh; what was there before
 * comes back where the new node is not well.
 */
export async function deploy(args: string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c" },
      package: { type: "string" },
      secret: { type: "string", multiple: true, default: [] },
      port: { type: "string", short: "p" },
      identity: { type: "string", short: "i" },
      "ssh-option": { type: "string", multiple: true, short: "o", default: [] },
      "health-wait": { type: "string", default: String(DEFAULT_HEALTH_S) },
    },
    allowPositionals: true,
    strict: true,
  });
  const [target, ...others] = positionals;
  if (target === undefined || others.length > 0 || target.startsWith("-"))
    throw wrongUsage("deploy takes one USER@HOST: fieldpost deploy pi@greenhouse.local --config FILE");
  if (values.config === undefined) throw wrongUsage("deploy takes --config FILE");
  const healthSeconds = Number(values["health-wait"]);
  if (!Number.isInteger(healthSeconds) || healthSeconds < 5 || healthSeconds > 3600)
    throw wrongUsage(`--health-wait ${values["health-wait"]}: expected seconds, 5 to 3600`);
  const secrets = readSecrets(values.secret, io.cwd);
  const config = await loadForDevice(values.config, secrets, io);
  if (!config) return EXIT.config;
  const remote = new Remote(
    target,
    [
      ...["-o", "BatchMode=yes", "-o", "ConnectTimeout=15"],
      ...values["ssh-option"].flatMap((option) => ["-o", option]),
      ...(values.identity === undefined ? [] : ["-i", resolve(io.cwd, values.identity)]),
    ],
    values.port,
    io,
  );

  const device = await probe(remote);
  io.stderr(`${target}: ${device.architecture}, ${device.installed || "no fieldpost yet"}\n`);
  const name = PACKAGES[device.architecture];
  if (name === undefined)
    throw new CliError(EXIT.failed, `${target}: there is no package for "${device.architecture}"`);
  const found = values.package ?? findPackage(io.cwd, `${name}_`, device.architecture);
  if (found === undefined)
    throw wrongUsage(
      `no ${name}_*_${device.architecture}.deb here or in packages/: npm run package makes it`,
    );
  const debian = readPackage(found, io.cwd);

  const folder = mkdtempSync(join(tmpdir(), "fieldpost-deploy-"));
  try {
    writeFileSync(join(folder, debian.name), debian.bytes);
    writeFileSync(join(folder, "deploy.sh"), deployScript(debian.name, healthSeconds));
    putAll(join(folder, "config"), configFiles(config, resolve(io.cwd, values.config)));
    if (secrets.size > 0) putAll(join(folder, "secrets"), secrets);
    io.stderr(`copying ${(debian.bytes.length / 1e6).toFixed(1)} MB\n`);
    await remote.copy(folder, device.folder);
    const sudo = device.root === "sudo" ? "sudo -n " : "";
    const code = await remote.run(`${sudo}sh ${device.folder}/${folderName(folder)}/deploy.sh`);
    if (code === 0) return EXIT.done;
    throw new CliError(EXIT.failed, `${target}: the new node was not well; what was there before is back`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    const sudo = device.root === "sudo" ? "sudo -n " : "";
    await remote.output(`${sudo}rm -rf ${device.folder}`).catch(() => {});
  }
}

interface Device {
  readonly architecture: string;
  readonly root: string;
  readonly installed: string;
  readonly folder: string;
}

async function probe(remote: Remote): Promise<Device> {
  const printed = await remote.output(PROBE);
  const facts = new Map(
    printed.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  const folder = facts.get("folder") ?? "";
  if (!/^\/tmp\/fieldpost-deploy\.\w+$/.test(folder))
    throw new CliError(EXIT.failed, `${remote.target}: cannot make a folder under /tmp there`);
  if (facts.get("root") === "no")
    throw new CliError(
      EXIT.failed,
      `${remote.target}: this user may not become root without a password (sudo -n); use a user that may, or root`,
    );
  return {
    architecture: facts.get("architecture") ?? "none",
    root: facts.get("root") ?? "no",
    installed: (facts.get("installed") ?? "").replace(" installed", ""),
    folder,
  };
}

function putAll(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  mkdirSync(folder, { mode: 0o700 });
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes, { mode: 0o600 });
}

function folderName(folder: string): string {
  return folder.slice(folder.lastIndexOf("/") + 1);
}

/** A device behind ssh, with the settings of this person's own ~/.ssh/config. */
class Remote {
  readonly target: string;
  readonly #options: readonly string[];
  readonly #port: string | undefined;
  readonly #io: CliIo;

  constructor(target: string, options: readonly string[], port: string | undefined, io: CliIo) {
    this.target = target;
    this.#options = options;
    this.#port = port;
    this.#io = io;
  }

  /** What a command prints. Rejects where it fails. */
  async output(command: string): Promise<string> {
    let printed = "";
    const code = await this.#spawn("ssh", this.#ssh(command), (text) => {
      printed += text;
    });
    if (code !== 0) throw this.#unreachable("ssh", code);
    return printed;
  }

  /** Runs a command whose words go to this person; resolves with its exit code. */
  async run(command: string): Promise<number> {
    const code = await this.#spawn("ssh", this.#ssh(command), (text) => this.#io.stdout(text));
    if (code === 255) throw this.#unreachable("ssh", code);
    return code;
  }

  async copy(folder: string, to: string): Promise<void> {
    const port = this.#port === undefined ? [] : ["-P", this.#port];
    const args = ["-q", "-r", ...port, ...this.#options, folder, `${this.target}:${to}/`];
    const code = await this.#spawn("scp", args, () => {});
    if (code !== 0) throw this.#unreachable("scp", code);
  }

  #ssh(command: string): string[] {
    const port = this.#port === undefined ? [] : ["-p", this.#port];
    return [...port, ...this.#options, this.target, command];
  }

  #unreachable(program: string, code: number): CliError {
    return new CliError(
      EXIT.failed,
      `${this.target}: ${program} failed (${code}); try "ssh ${this.target}" by hand: it must work without a password`,
    );
  }

  #spawn(program: string, args: readonly string[], onText: (text: string) => void): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
      child.stdout.on("data", (data) => onText(String(data)));
      child.stderr.on("data", (data) => this.#io.stderr(String(data)));
      child.once("error", (error) =>
        reject(
          new CliError(EXIT.failed, `cannot run ${program}: ${error.message}; install OpenSSH's client`),
        ),
      );
      child.once("close", (code) => resolve(code ?? 1));
    });
  }
}
