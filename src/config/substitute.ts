import { pathFrom, unreadable } from "./files.ts";
import { nearest } from "./nearest.ts";
import type { Problem } from "./problem.ts";
import { collectSecrets, type Secrets } from "./secrets.ts";
import type { Source } from "./source.ts";
import { child, type Node, type ScalarNode } from "./tree.ts";

/** The machine's own names, as far as it tells them. */
export interface MachineNames {
  readonly serial: string | undefined;
  readonly hostname: string | undefined;
  readonly machineId: string | undefined;
}

export interface SubstitutionSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws the error of `fs.readFileSync`. */
  readonly readFile: (path: string) => string;
  readonly machine: MachineNames;
  /** The folder that relative paths start from. */
  readonly dir: string;
}

export interface Substituted {
  readonly root: Node;
  readonly problems: readonly Problem[];
  readonly secrets: Secrets;
}

/** `$${` is a literal `${`. */
const PLACEHOLDER = /\$\$\{|\$\{([^}]*)(\}?)/g;

const NAMES = ["env:NAME", "file:/path", "device", "serial", "hostname", "machine_id"];

/** Thrown within this file only, with a message for people. */
class Unresolved extends Error {
  readonly suggestion: string | undefined;
  constructor(message: string, suggestion?: string) {
    super(message);
    this.suggestion = suggestion;
  }
}

/** Fills in `${...}` in every string of a configuration; keys stay as they are. What was filled in is not looked through again. */
export function substitute(root: Node, source: Source, sources: SubstitutionSources): Substituted {
  const problems: Problem[] = [];
  const secrets = collectSecrets();
  const done = new Map<Node, Node>();

  function fill(node: ScalarNode, deviceId: string | undefined | "itself"): ScalarNode {
    if (typeof node.value !== "string" || !node.value.includes("${")) return node;
    const written = node.value;
    let secret = false;
    try {
      const value = written.replace(PLACEHOLDER, (whole, name: string | undefined, closing: string) => {
        if (name === undefined) return "${";
        if (closing === "") throw new Unresolved(`"${whole}" has no closing }; a plain \${ is written $\${`);
        const text = resolve(name, deviceId, sources);
        if (/^(env|file):/.test(name)) {
          secret = true;
          secrets.add(text, whole);
        }
        return text;
      });
      if (secret) secrets.add(value, written);
      return { ...node, value, secret };
    } catch (error) {
      if (!(error instanceof Unresolved)) throw error;
      problems.push(source.problem(node.range, error.message, { suggestion: error.suggestion }));
      return { ...node, unresolved: true };
    }
  }

  const deviceIdNode = child(child(root, "device"), "id");
  const filledId = deviceIdNode?.kind === "scalar" ? fill(deviceIdNode, "itself") : undefined;
  if (deviceIdNode && filledId) done.set(deviceIdNode, filledId);
  const deviceId = filledId?.value === null || filledId === undefined ? undefined : String(filledId.value);

  function walk(node: Node): Node {
    const known = done.get(node);
    if (known) return known;
    const filled = walkInto(node);
    done.set(node, filled);
    return filled;
  }

  function walkInto(node: Node): Node {
    if (node.kind === "scalar") return fill(node, deviceId);
    if (node.kind === "list") return { ...node, items: node.items.map(walk) };
    return { ...node, entries: new Map([...node.entries].map(([key, value]) => [key, walk(value)])) };
  }

  return { root: walk(root), problems, secrets };
}

function resolve(name: string, deviceId: string | undefined, sources: SubstitutionSources): string {
  const { env, machine } = sources;
  if (name.startsWith("env:")) {
    const value = env[name.slice(4)];
    if (value === undefined) throw new Unresolved(`the environment variable ${name.slice(4)} is not set`);
    return value;
  }
  if (name.startsWith("file:")) return contentsOf(name.slice(5), sources);
  switch (name) {
    case "device":
      if (deviceId === "itself")
        throw new Unresolved(`device.id cannot be made of \${device}, which is itself`);
      return deviceId ?? "device";
    case "serial":
      return known(machine.serial, "the board tells no serial number");
    case "hostname":
      return known(machine.hostname, "the machine has no host name");
    case "machine_id":
      return known(machine.machineId, "the machine has no /etc/machine-id");
    default: {
      const near = nearest(name, NAMES);
      throw new Unresolved(
        `unknown substitution \${${name}}; there are ${NAMES.map((name) => `\${${name}}`).join(", ")}`,
        near === undefined ? undefined : `\${${near}}`,
      );
    }
  }
}

function known(value: string | undefined, otherwise: string): string {
  if (value === undefined || value === "") throw new Unresolved(otherwise);
  return value;
}

function contentsOf(path: string, { readFile, dir }: SubstitutionSources): string {
  if (path === "") throw new Unresolved(`\${file:} needs a path: \${file:/path}`);
  try {
    return readFile(pathFrom(dir, path)).trim();
  } catch (error) {
    throw new Unresolved(unreadable(path, error));
  }
}
