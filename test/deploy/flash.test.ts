import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { main } from "../../src/cli/main.ts";
import { StockImage } from "./stock-image.ts";

const GOLDEN = fileURLToPath(new URL("golden", import.meta.url));

const CONFIG = `
device: { id: North_1, name: North greenhouse }
mqtt:
  url: mqtts://broker.example
  username: node
  password: \${file:/run/credentials/fieldpost.service/mqtt_password}
  tls: { ca: ca.pem }
sensors:
  - { id: air, driver: bme280 }
  - { id: soil, driver: ds18b20 }
  - { id: current, driver: mcp3008 }
actuators:
  - { id: pump, driver: digital_output, pin: 22 }
`;

let folder: string;
let image: StockImage;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fieldpost-flash-"));
  writeFileSync(join(folder, "fieldpost.yaml"), CONFIG);
  writeFileSync(join(folder, "ca.pem"), "a certificate\n");
  writeFileSync(join(folder, "password"), "it's secret\n");
  writeFileSync(join(folder, "wifi"), 'pass "word" with $(things)\n');
  writeFileSync(join(folder, "key.pub"), "# mine\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@laptop\n");
  writeFileSync(join(folder, "fieldpost_0.1.0_arm64.deb"), Buffer.alloc(200_000, 1));
});
afterEach(() => {
  image?.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function flash(...args: readonly string[]) {
  let stdout = "";
  let stderr = "";
  const code = await main(["flash", ...args], {
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
    env: {},
    cwd: folder,
    isTty: false,
    columns: 80,
  });
  return { code, stdout, stderr };
}

const ALL = [
  ...[
    "--config",
    "fieldpost.yaml",
    "--secret",
    "mqtt_password=password",
    "--ssh-key",
    "key.pub",
    "--user",
    "me",
  ],
  ...[
    "--wifi",
    "Jane's net",
    "--wifi-password-file",
    "wifi",
    "--country",
    "DE",
    "--timezone",
    "Europe/Berlin",
  ],
];

/** Compares with what is kept beside this file; `GOLDEN=write` writes that anew. */
function expectGolden(name: string, text: string): void {
  const file = join(GOLDEN, name);
  if (process.env["GOLDEN"] === "write") {
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, "utf8"));
}

describe.each([
  ["trixie" as const, ["config.txt", "fieldpost/install.sh", "meta-data", "network-config", "user-data"]],
  ["bookworm" as const, ["cmdline.txt", "config.txt", "fieldpost/install.sh", "firstrun.sh"]],
])("an image of Raspberry Pi OS %s", (os, texts) => {
  test("becomes the node: as another program reads it, and fsck finds nothing", async () => {
    image = new StockImage(os);
    const { code, stderr } = await flash("--image", image.file, ...ALL);
    expect(stderr).toContain("is north-1 now");
    expect(code).toBe(0);
    expect(image.check()).toBe("");
    for (const name of texts) expectGolden(`${os}/${name}`, image.read(name).toString());
    expect(image.read("fieldpost/config/fieldpost.yaml").toString()).toBe(CONFIG);
    expect(image.read("fieldpost/config/ca.pem").toString()).toBe("a certificate\n");
    expect(image.read("fieldpost/secrets/mqtt_password").toString()).toBe("it's secret\n");
    expect(image.read("fieldpost/fieldpost_0.1.0_arm64.deb").length).toBe(200_000);
  });

  test("a second time, with another configuration, is as if it were the first", async () => {
    image = new StockImage(os);
    await flash("--image", image.file, ...ALL);
    const once = texts.map((name) => image.read(name).toString());
    writeFileSync(join(folder, "fieldpost.yaml"), CONFIG.replace("- { id: soil, driver: ds18b20 }", ""));
    await flash("--image", image.file, ...ALL);
    writeFileSync(join(folder, "fieldpost.yaml"), CONFIG);
    await flash("--image", image.file, ...ALL);
    expect(texts.map((name) => image.read(name).toString())).toEqual(once);
    expect(image.check()).toBe("");
  });

  test("is left alone by a dry run, which says what would change and no secret", async () => {
    image = new StockImage(os);
    const before = readFileSync(image.file);
    const { code, stdout } = await flash("--image", image.file, "--dry-run", ...ALL);
    expect(code).toBe(0);
    expect(readFileSync(image.file).equals(before)).toBe(true);
    expect(stdout).toContain("config.txt  changed");
    expect(stdout).toContain("  + dtparam=i2c_arm=on\n");
    expect(stdout).toContain("fieldpost/secrets/mqtt_password  new, 12 bytes, not shown");
    expect(stdout).not.toMatch(/it's secret|with \$\(things\)/);
  });

  test("written into a mounted folder gets the same files", async () => {
    image = new StockImage(os);
    const mounted = join(folder, "bootfs");
    mkdirSync(mounted);
    for (const name of image.list()) writeFileSync(join(mounted, name), image.read(name));
    await flash("--image", image.file, ...ALL);
    expect((await flash("--boot", mounted, ...ALL)).code).toBe(0);
    for (const name of image.list())
      expect(readFileSync(join(mounted, name)).equals(image.read(name))).toBe(true);
  });

  test("has scripts that a POSIX shell can read", () => {
    for (const name of ["fieldpost/install.sh", ...(os === "bookworm" ? ["firstrun.sh"] : [])])
      execFileSync("dash", ["-n", join(GOLDEN, os, name)]);
  });
});

test("cloud-init finds its user-data and network-config right", () => {
  for (const [name, type] of [
    ["user-data", "cloud-config"],
    ["network-config", "network-config"],
  ]) {
    const args = ["schema", "--config-file", join(GOLDEN, "trixie", name!), "--schema-type", type!];
    const { status, stdout, stderr } = spawnSync("cloud-init", args, { encoding: "utf8" });
    // Debian 12's cloud-init knows no schema of networks.
    if (/unrecognized arguments: --schema-type/.test(stderr)) {
      if (type === "network-config") continue;
      expect(spawnSync("cloud-init", args.slice(0, 3)).status).toBe(0);
      continue;
    }
    expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /);
  }
});

describe("install.sh, run on a Debian", () => {
  test("takes the secrets off the card, and leaves them where only root reads", async () => {
    image = new StockImage("trixie");
    await flash("--image", image.file, ...ALL);
    const boot = join(folder, "boot");
    for (const name of image.list().filter((name) => name.startsWith("fieldpost/"))) {
      mkdirSync(join(boot, name, ".."), { recursive: true });
      writeFileSync(join(boot, name), image.read(name));
    }
    // The package is a fake one: what it would do is done beforehand.
    const root = join(folder, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    for (const [name, text] of [
      ["dpkg", 'echo "dpkg $*" >>"$LOG"'],
      ["systemctl", 'echo "systemctl $*" >>"$LOG"'],
      ["sync", ":"],
    ])
      writeFileSync(join(root, "bin", name!), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    const script = readFileSync(join(boot, "fieldpost/install.sh"), "utf8")
      .replaceAll("/etc/", `${root}/etc/`)
      .replaceAll("-g fieldpost", "-g root");
    mkdirSync(join(root, "etc"));
    writeFileSync(join(boot, "fieldpost/install.sh"), script);
    const log = join(root, "log");
    execFileSync("sh", [join(boot, "fieldpost/install.sh")], {
      env: { PATH: `${join(root, "bin")}:${process.env["PATH"]}`, LOG: log },
    });
    expect(readFileSync(log, "utf8")).toContain("systemctl enable fieldpost");
    expect(existsSync(join(boot, "fieldpost/secrets"))).toBe(false);
    expect(existsSync(join(boot, "fieldpost/config"))).toBe(false);
    const etc = join(root, "etc/fieldpost");
    expect(readFileSync(join(etc, "fieldpost.yaml"), "utf8")).toBe(
      CONFIG.replaceAll("/etc/", `${root}/etc/`),
    );
    expect(readFileSync(join(etc, "credentials/mqtt_password"), "utf8")).toBe("it's secret\n");
    const mode = (file: string) =>
      execFileSync("stat", ["-c", "%a", join(etc, file)], { encoding: "utf8" }).trim();
    expect([mode("credentials"), mode("credentials/mqtt_password"), mode("fieldpost.yaml")]).toEqual([
      "700",
      "600",
      "640",
    ]);
    expect(
      readFileSync(join(root, "etc/systemd/system/fieldpost.service.d/50-credentials.conf"), "utf8"),
    ).toContain("LoadCredential=mqtt_password:");
  });
});

describe("flash refuses", () => {
  test.each([
    ["neither image nor folder", ["--config", "fieldpost.yaml"], "either --image FILE.img or --boot FOLDER"],
    ["no configuration", ["--image", "x.img"], "flash takes --config FILE"],
    [
      "a secret that is not given",
      ["--boot", ".", "--config", "fieldpost.yaml"],
      "give it with --secret mqtt_password=FILE",
    ],
    [
      "a folder that is no boot partition",
      ["--boot", ".", ...ALL],
      "not the boot partition of a Raspberry Pi OS",
    ],
    [
      "Wi-Fi without a country",
      ["--boot", ".", ...ALL.filter((arg) => !["--country", "DE"].includes(arg))],
      "--country",
    ],
    ["a private key", ["--boot", ".", ...ALL, "--ssh-key", "password"], "expected a public key"],
    ["another system", ["--boot", ".", ...ALL, "--os", "buster"], "expected trixie or bookworm"],
  ])("%s", async (_, args, message) => {
    const { code, stderr } = await flash(...args);
    expect(stderr).toContain(message);
    expect([64, 78, 1]).toContain(code);
  });

  test("a missing package, with the command that makes it", async () => {
    rmSync(join(folder, "fieldpost_0.1.0_arm64.deb"));
    expect((await flash("--boot", ".", ...ALL)).stderr).toContain("npm run package");
  });

  test("a partition without room, and leaves it as it was", async () => {
    image = new StockImage("trixie", { fat: 16, mib: 16 });
    writeFileSync(join(folder, "fieldpost_0.1.0_arm64.deb"), Buffer.alloc(20_000_000));
    const before = readFileSync(image.file);
    const { code, stderr } = await flash("--image", image.file, ...ALL);
    expect(code).toBe(1);
    expect(stderr).toMatch(/the boot partition has \d+\.\d MB free, and 20\.0 MB are needed/);
    expect(readFileSync(image.file).equals(before)).toBe(true);
  });
});
