import { audit } from "./audit.ts";
import { buffer } from "./buffer.ts";
import { check } from "./check.ts";
import { demo } from "./demo.ts";
import { drivers } from "./drivers.ts";
import { init } from "./init.ts";
import type { CliIo } from "./io.ts";
import { read } from "./read.ts";
import { run } from "./run.ts";
import { safe } from "./safe.ts";
import { schema } from "./schema.ts";
import { set } from "./set.ts";

export interface Command {
  readonly name: string;
  readonly synopsis: string;
  readonly summary: string;
  readonly details?: string;
  run(args: string[], io: CliIo, version: string): Promise<number>;
}

const CONFIG = "  --config FILE   the configuration (default: /etc/fieldpost/fieldpost.yaml)\n";
const SIMULATE = "  --simulate      on the simulated board\n";

export const commands: readonly Command[] = [
  {
    name: "run",
    synopsis: "[--config FILE] [--simulate] [--verbose]",
    summary: "Runs the node until SIGTERM or SIGINT; SIGHUP reads the configuration again",
    details: `${CONFIG}${SIMULATE}  --verbose       logs more\n`,
    run,
  },
  {
    name: "demo",
    synopsis: "[--cycles N] [--period 60s] [--seed N]",
    summary:
      "A broker, a simulated greenhouse and a link that is cut every minute: needs no file and no network",
    details:
      "  --cycles N      ends after N cycles (default: goes on until Ctrl-C)\n  --period 60s    how long a cycle takes\n  --seed N        another greenhouse\n",
    run: demo,
  },
  {
    name: "check",
    synopsis: "FILE [--json]",
    summary: "Says everything that is wrong with a configuration, each with its place",
    run: (args, io) => check(args, io),
  },
  {
    name: "init",
    synopsis: "[--template greenhouse|weather|pump|energy] [--force] [FILE]",
    summary: "Writes a commented starter configuration",
    run: init,
  },
  {
    name: "read",
    synopsis: "SENSOR [--config FILE] [--simulate] [--json]",
    summary: "Takes one reading and prints it with its units",
    details: `${CONFIG}${SIMULATE}`,
    run: read,
  },
  {
    name: "set",
    synopsis: "ACTUATOR VALUE [--for 5s] [--config FILE] [--simulate]",
    summary: "Moves one actuator through its guard, on a node that is not running",
    details: `${CONFIG}${SIMULATE}  --for 5s        how long; without it until Ctrl-C. Afterwards the actuator is made safe\n`,
    run: set,
  },
  {
    name: "safe",
    synopsis: "[--config FILE] [--simulate]",
    summary: "Makes every actuator safe, from nothing but the configuration: for after a crash",
    details: `${CONFIG}${SIMULATE}`,
    run: safe,
  },
  {
    name: "buffer",
    synopsis: "status|peek|export [--config FILE] [--path FOLDER] [--json]",
    summary: "Looks into the outbox, also while the node runs",
    details: `${CONFIG}  --path FOLDER   the outbox itself, without a configuration
  --all           also what the broker has acknowledged and that is still on disk
  --count N       how many records to peek at (default: 10)
  export writes one JSON object per line: seq, topic, time and the record's fields.
`,
    run: buffer,
  },
  {
    name: "audit",
    synopsis: "--broker URL DEVICE... [--for 10m] [--root fieldpost] [--username NAME] [--ca FILE] [--json]",
    summary: "Subscribes and proves that nothing is missing, until Ctrl-C or --for",
    details: "  The password comes from the environment: FIELDPOST_PASSWORD.\n",
    run: audit,
  },
  {
    name: "drivers",
    synopsis: "[--json]",
    summary: "Lists the supported chips and kinds of actuators",
    run: drivers,
  },
  {
    name: "schema",
    synopsis: "",
    summary: "Prints the JSON Schema of the configuration, for editors",
    run: schema,
  },
];
