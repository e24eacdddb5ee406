import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const src = fileURLToPath(new URL("../src", import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll("\\", "/"));

/** What each room may import besides itself. Data goes one way: nothing in the list reaches back. */
const leaves = ["schema", "log.ts"];
const rooms: Readonly<Record<string, readonly string[]>> = {
  "log.ts": [],
  schema: [],
  audit: [],
  local: ["device", ...leaves],
  device: leaves,
  outbox: ["device"],
  record: ["device", "outbox"],
  sensors: ["device", "record", ...leaves],
  actuators: ["device", "record", ...leaves],
  rules: ["device", "record", "sensors", "actuators", ...leaves],
  mqtt: ["device", "record", "outbox", "sensors", "actuators", ...leaves],
  config: ["device", "sensors", "actuators", "rules", "mqtt", ...leaves],
  deploy: ["config"],
  sparkplug: ["device", "record", "outbox", "sensors", "actuators", "mqtt", "config", ...leaves],
  "home-assistant": ["device", "sensors", "actuators", "mqtt", "config", ...leaves],
  homie: ["device", "record", "sensors", "actuators", "mqtt", "config", ...leaves],
  node: [
    "device",
    "record",
    "outbox",
    "sensors",
    "actuators",
    "rules",
    "mqtt",
    "config",
    "local",
    "home-assistant",
    "homie",
    "sparkplug",
    ...leaves,
  ],
  simulate: [
    "device",
    "record",
    "outbox",
    "sensors",
    "actuators",
    "rules",
    "mqtt",
    "config",
    "node",
    "audit",
    ...leaves,
  ],
  doctor: [
    "device",
    "record",
    "outbox",
    "sensors",
    "actuators",
    "rules",
    "mqtt",
    "config",
    "local",
    "node",
    "deploy",
    ...leaves,
  ],
  cli: [
    "device",
    "record",
    "outbox",
    "sensors",
    "actuators",
    "rules",
    "mqtt",
    "config",
    "local",
    "node",
    "audit",
    "simulate",
    ...leaves,
    "deploy",
    "doctor",
  ],
  demo: ["device", "sensors", "record", "outbox", "config", "node", "simulate", "audit", "cli", ...leaves],
  "index.ts": ["device", "sensors", "config", "node", "simulate", "mqtt"],
  "main.ts": ["cli"],
};

/** Rooms with rooms inside, and what each of those may import of the others. `*` stands for files beside them. */
const innerRooms: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  mqtt: {
    broker: [],
    encoding: [],
    link: ["broker"],
    session: ["broker", "link"],
    retained: ["link", "session"],
    convention: ["link", "session", "retained", "encoding"],
    uplink: ["link", "convention"],
    downlink: ["link", "convention"],
    messages: ["link", "session", "convention"],
  },
  outbox: {
    files: [],
    state: ["files", "outbox.ts"],
    segments: ["files", "state", "outbox.ts"],
    young: ["files", "state", "segments"],
    delivery: ["files", "state", "segments", "young", "outbox.ts"],
    intake: ["files", "state", "segments", "young", "delivery"],
    "*": ["files", "state", "segments", "young", "delivery", "intake"],
  },
};

const importsOf = (file: string) =>
  [...readFileSync(join(src, file), "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].map((match) =>
    relative(src, resolve(src, dirname(file), match[1]!)).replaceAll("\\", "/"),
  );
const roomOf = (file: string) => file.split("/")[0]!;
/** Of a file beside the inner rooms: its name. */
const innerRoomOf = (file: string) => file.split("/")[1] ?? "";

describe("the shape of the code", () => {
  test("every file stands in a room that this test knows", () => {
    expect(files.filter((file) => !(roomOf(file) in rooms))).toEqual([]);
  });

  test("imports go one way", () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => roomOf(target) !== roomOf(file) && !rooms[roomOf(file)]?.includes(roomOf(target)))
        .map((target) => `${file} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test.each(Object.entries(innerRooms))(
    "every file of %s stands in an inner room that this test knows",
    (outer, inner) => {
      const isKnown = (name: string) => name in inner || ("*" in inner && name.endsWith(".ts"));
      expect(files.filter((file) => roomOf(file) === outer && !isKnown(innerRoomOf(file)))).toEqual([]);
    },
  );

  test.each(Object.entries(innerRooms))("imports go one way inside %s, too", (outer, inner) => {
    const mayImport = (from: string, target: string) =>
      from === target ||
      (inner[from] ?? inner["*"])?.includes(target) ||
      (!(from in inner) && target.endsWith(".ts"));
    const wrong = files
      .filter((file) => roomOf(file) === outer)
      .flatMap((file) =>
        importsOf(file)
          .filter((target) => roomOf(target) === outer)
          .filter((target) => !mayImport(innerRoomOf(file), innerRoomOf(target)))
          .map((target) => `${file} -> ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  test("only the node chooses between the real and the simulated board", () => {
    const simulations = files.filter(
      (file) => roomOf(file) === "node" && importsOf(file).some((target) => target.startsWith("device/sim/")),
    );
    const choosers = files.filter(
      (file) =>
        roomOf(file) !== "device" &&
        importsOf(file).includes("device/linux/board.ts") &&
        importsOf(file).some((target) => target.startsWith("device/sim/") || simulations.includes(target)),
    );
    expect(choosers).toEqual(["node/board.ts"]);
  });

  test("the interfaces of the board know neither of its implementations", () => {
    const interfaces = files.filter((file) => /^device\/[^/]+\.ts$/.test(file));
    const reaching = interfaces.filter((file) =>
      importsOf(file).some((target) => /^device\/(linux|sim)\//.test(target)),
    );
    expect(reaching).toEqual([]);
  });

  test("real time, chance and the console stay at the edges", () => {
    const edge = /^(device\/linux\/|main\.ts|cli\/|demo\/)/;
    const real =
      /\b(Date\.now|performance\.now|process\.hrtime|setTimeout|setInterval|Math\.random|console\.\w+|randomBytes|randomUUID)\b|new Date\(\)/;
    const wrong = files
      .filter((file) => !edge.test(file))
      .flatMap((file) =>
        readFileSync(join(src, file), "utf8")
          .split("\n")
          .map((line, index) => ({ line, at: `${file}:${index + 1}` }))
          .filter(({ line }) => real.test(line.replace(/^\s*(\/\/|\*|\/\*).*$/, "")))
          .map(({ line, at }) => `${at} ${line.trim()}`),
      );
    expect(wrong).toEqual([]);
  });

  test("no file is a drawer for odds and ends", () => {
    expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|misc|shared)(\.|\/)/.test(file))).toEqual(
      [],
    );
  });

  test("no file needs minutes of scrolling", () => {
    const long = files.filter((file) => readFileSync(join(src, file), "utf8").split("\n").length > 400);
    expect(long).toEqual([]);
  });
});
