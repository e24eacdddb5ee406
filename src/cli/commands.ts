import type { CliIo } from "./io.ts";
import { run } from "./run.ts";
import { safe } from "./safe.ts";

export interface Command {
  readonly name: string;
  readonly synopsis: string;
  readonly summary: string;
  readonly details?: string;
  run(args: string[], io: CliIo, version: string): Promise<number>;
}

const CONFIG = "  --config FILE   the configuration (default: /etc/fieldpost/fieldpost.yaml)\n";
const SIMULATE = "  --simulate      on the simulated board\n";

/** Each command is a part of its own, but for those that a service runs. */
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
    run: async (args, io, version) => (await import("./demo.ts")).demo(args, io, version),
  },
  {
    name: "check",
    synopsis: "FILE [--json]",
    summary: "Says everything that is wrong with a configuration, each with its place",
    run: async (args, io) => (await import("./check.ts")).check(args, io),
  },
  {
    name: "init",
    synopsis: "[--template greenhouse|weather|pump|energy] [--force] [FILE]",
    summary: "Writes a commented starter configuration",
    run: async (args, io) => (await import("./init.ts")).init(args, io),
  },
  {
    name: "read",
    synopsis: "SENSOR [--config FILE] [--simulate] [--json]",
    summary: "Takes one reading and prints it with its units",
    details: `${CONFIG}${SIMULATE}`,
    run: async (args, io) => (await import("./read.ts")).read(args, io),
  },
  {
    name: "set",
    synopsis: "ACTUATOR VALUE [--for 5s] [--config FILE] [--simulate]",
    summary: "Moves one actuator through its guard, on a running node or without one",
    details: `${CONFIG}${SIMULATE}  --for 5s        how long. On a running node it stays without; else until Ctrl-C, and is then made safe\n`,
    run: async (args, io) => (await import("./set.ts")).set(args, io),
  },
  {
    name: "safe",
    synopsis: "[--config FILE] [--simulate]",
    summary: "Makes every actuator safe, from nothing but the configuration: for after a crash",
    details: `${CONFIG}${SIMULATE}`,
    run: safe,
  },
  {
    name: "status",
    synopsis: "[--config FILE] [--json]",
    summary: "Shows the running node: broker, outbox, sensors and actuators",
    details: "  --config FILE   of a node that was started by hand (default: the service)\n",
    run: async (args, io) => (await import("./status.ts")).status(args, io),
  },
  {
    name: "simulate",
    synopsis: "--for 7d [--config FILE] [--start TIME] [--seed N] [--svg FILE] [--json] [--all]",
    summary: "Shows what sensors, rules and guards would do in the simulated world, in seconds",
    details: `${CONFIG}  --for 7d        how long (default: 1d, at most 400d)
  --start TIME    when it begins (default: today 00:00Z)
  --seed N        another world than simulation.seed gives
  --svg FILE      draws it
  --all           the whole timeline (default: the first 200 lines)
  The world, faults and outages of the broker are those of the configuration's simulation block.
`,
    run: async (args, io) => (await import("./simulate.ts")).simulate(args, io),
  },
  {
    name: "buffer",
    synopsis: "status|peek|export|drop [--config FILE] [--path FOLDER] [--json]",
    summary: "Looks into the outbox, and drops what waits in it, also while the node runs",
    details: `${CONFIG}  --path FOLDER   the outbox itself, without a configuration
  --all           also what the broker has acknowledged and that is still on disk
  --count N       how many records to peek at (default: 10)
  export writes one JSON object per line: stream, seq, time, clock, historical, device, topic, sensor, fields.
  drop deletes what waits for the broker, after asking, and says so in the stream (event/dropped, reason operator).
  --to-seq N      what to drop: everything up to this number (default: everything that waits now)
  --yes           drops without asking
`,
    run: async (args, io, version) => (await import("./buffer.ts")).buffer(args, io, version),
  },
  {
    name: "audit",
    synopsis: "--broker URL DEVICE... [--for 10m] [--root fieldpost] [--username NAME] [--ca FILE] [--json]",
    summary: "Subscribes and proves that nothing is missing, until Ctrl-C or --for",
    details: "  The password comes from the environment: FIELDPOST_PASSWORD.\n",
    run: async (args, io) => (await import("./audit.ts")).audit(args, io),
  },
  {
    name: "flash",
    synopsis: "--image FILE.img|--boot FOLDER --config FILE [OPTIONS]",
    summary: "Makes a stock Raspberry Pi OS into this node, by what its first boot finds",
    details: `  --image FILE.img          an image of Raspberry Pi OS, unpacked; write it to a card afterwards
  --boot FOLDER             or the boot partition of a card, mounted here
  --config FILE             the node's configuration; certificates that it names lie beside it
  --secret NAME=FILE        what the configuration has as \${file:/run/credentials/fieldpost.service/NAME}
  --package FILE            fieldpost_*_arm64.deb (default: the newest here or in packages/)
  --hostname NAME           default: the device's id
  --user NAME               default: pi. Without a password: only by key
  --ssh-key FILE            a public key that may log in; several times
  --wifi SSID --wifi-password-file FILE --country DE
  --timezone Europe/Berlin
  --os trixie|bookworm      default: what the boot partition looks like
  --dry-run                 says what would change, and changes nothing
`,
    run: async (args, io) => (await import("./flash.ts")).flash(args, io),
  },
  {
    name: "deploy",
    synopsis: "USER@HOST --config FILE [--secret NAME=FILE] [--package FILE] [OPTIONS]",
    summary: "Turns a Pi that runs into this node, over ssh; goes back where the new node is not well",
    details: `  --config FILE         the node's configuration; certificates that it names lie beside it
  --secret NAME=FILE    what the configuration has as \${file:/run/credentials/fieldpost.service/NAME}
  --package FILE        default: the newest for the device's processor, here or in packages/
  --port N, --identity FILE, --ssh-option NAME=VALUE
                        as ssh's -p, -i and -o; ~/.ssh/config counts, too
  --health-wait 60      seconds in which the new node has to be well
`,
    run: async (args, io) => (await import("./deploy.ts")).deploy(args, io),
  },
  {
    name: "pub",
    synopsis: "TOPIC PAYLOAD [--config FILE] [--qos 1] [--retain] [--file FILE]",
    summary: "Publishes one message with the node's own broker settings",
    details: `${CONFIG}  --qos 0|1|2     default: 1; ends when the broker has it
  --retain        the broker keeps it; an empty PAYLOAD deletes what it keeps
  --file FILE     the payload is the file's bytes
  The client id is the node's with a suffix: a running node stays connected.
`,
    run: async (args, io) => (await import("./pub.ts")).pub(args, io),
  },
  {
    name: "sub",
    synopsis: "FILTER [--config FILE] [--qos 1] [--count N] [--for 10s] [--json]",
    summary: "Prints what comes, with the node's own broker settings, until Ctrl-C",
    details: `${CONFIG}  --count N       ends after N messages
  --for 10s       ends after so long
  --json          a JSON object a line: time, topic, qos, retain, payload (payload_base64 where it is no text)
`,
    run: async (args, io) => (await import("./sub.ts")).sub(args, io),
  },
  {
    name: "scan",
    synopsis: "[--json] [--simulate --config FILE]",
    summary: "Finds what hangs on the board: I2C, 1-Wire, GPIO, and chips that the kernel serves",
    details: `${CONFIG}${SIMULATE}  It only reads: no byte is written to any chip.\n`,
    run: async (args, io) => (await import("./scan.ts")).scan(args, io),
  },
  {
    name: "doctor",
    synopsis: "[--config FILE] [--simulate] [--offline] [--json]",
    summary: "Says what would keep the node from working here, and how to mend it",
    details: `${CONFIG}${SIMULATE}  --offline       asks neither the broker nor a time server
  Looks at configuration, machine, clock, disk, board, service and broker, all within a minute, and changes nothing. Ends
  with 1 where something has failed.\n`,
    run: async (args, io) => (await import("./doctor.ts")).doctor(args, io),
  },
  {
    name: "drivers",
    synopsis: "[--json]",
    summary: "Lists the supported chips and kinds of actuators",
    run: async (args, io) => (await import("./drivers.ts")).drivers(args, io),
  },
  {
    name: "schema",
    synopsis: "",
    summary: "Prints the JSON Schema of the configuration, for editors",
    run: async (args, io) => (await import("./schema.ts")).schema(args, io),
  },
];

export function overview(): string {
  const width = Math.max(...commands.map((command) => command.name.length));
  const lines = commands.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return [
    "fieldpost - an unattended MQTT telemetry node that loses nothing",
    "",
    "usage: fieldpost COMMAND [OPTIONS]",
    "",
    ...lines,
    "",
    '"fieldpost COMMAND --help" tells more. --debug adds stack traces to errors.',
    "Exit codes: 0 done, 1 failed while running, 64 wrong usage, 78 wrong config.",
    "",
  ].join("\n");
}

export function usageOf(command: Command): string {
  return `usage: fieldpost ${command.name} ${command.synopsis}\n\n${command.summary}.\n${command.details ?? ""}`;
}
