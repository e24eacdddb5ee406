import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OsGeneration } from "../../src/deploy/first-boot.ts";

const SECTOR_BYTES = 512;
/** Where Raspberry Pi OS images of both generations have their boot partition. */
const BOOT_SECTOR = 16384;

const CONFIG_TXT =
  "# For more options see the documentation\ndtparam=audio=on\n\n[cm4]\notg_mode=1\n\n[all]\n";
const CMDLINE_TXT =
  "console=serial0,115200 console=tty1 root=PARTUUID=12345678-02 rootfstype=ext4 fsck.repair=yes rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n";

const STOCK: Readonly<Record<OsGeneration, Readonly<Record<string, string>>>> = {
  bookworm: { "config.txt": CONFIG_TXT, "cmdline.txt": CMDLINE_TXT },
  trixie: {
    "config.txt": CONFIG_TXT,
    "cmdline.txt": CMDLINE_TXT,
    "meta-data": "dsmode: local\ninstance_id: rpios-image\n",
    "user-data": "#cloud-config\n",
    "network-config": "# nothing yet\n",
  },
};

/** A small image with the layout of Raspberry Pi OS: a master boot record, a FAT partition, and another one behind it. */
export class StockImage {
  readonly folder = mkdtempSync(join(tmpdir(), "fieldpost-image-"));
  readonly file = join(this.folder, "raspios.img");
  readonly #at = `${this.file}@@${BOOT_SECTOR * SECTOR_BYTES}`;

  constructor(os: OsGeneration, { mib = 64, fat = 32 }: { mib?: number; fat?: 16 | 32 } = {}) {
    const sectors = mib * 2048;
    const record = Buffer.alloc(SECTOR_BYTES);
    for (const [index, [type, first, count]] of [
      [0x0c, BOOT_SECTOR, sectors],
      [0x83, BOOT_SECTOR + sectors, 2048],
    ].entries()) {
      record[446 + index * 16 + 4] = type!;
      record.writeUInt32LE(first!, 446 + index * 16 + 8);
      record.writeUInt32LE(count!, 446 + index * 16 + 12);
    }
    record.writeUInt16LE(0xaa55, 510);
    const fd = openSync(this.file, "w");
    writeSync(fd, record);
    ftruncateSync(fd, (BOOT_SECTOR + sectors + 2048) * SECTOR_BYTES);
    closeSync(fd);
    const clusters = fat === 32 ? ["-s", "1"] : ["-s", "4"];
    execFileSync("mkfs.fat", [
      ...["-F", String(fat), "-n", "bootfs", "--offset", String(BOOT_SECTOR), ...clusters],
      ...[this.file, String(mib * 1024)],
    ]);
    for (const [name, text] of Object.entries(STOCK[os]))
      execFileSync("mcopy", ["-i", this.#at, "-", `::${name}`], { input: text });
  }

  /** As mtools, which are not ours, read it. */
  read(path: string): Buffer {
    return execFileSync("mtype", ["-i", this.#at, `::${path}`], { maxBuffer: 2 ** 28 });
  }

  /** Every file, with folders in front. */
  list(): string[] {
    const printed = execFileSync("mdir", ["-i", this.#at, "-/", "-b", "-a", "::"], { encoding: "utf8" });
    return printed
      .split("\n")
      .filter((line) => line !== "" && !line.endsWith("/"))
      .map((line) => line.replace(/^::\/?/, ""))
      .sort();
  }

  copy(name: string, bytes: Uint8Array): void {
    execFileSync("mcopy", ["-o", "-i", this.#at, "-", `::${name}`], { input: bytes });
  }

  /** What is wrong with the file system, in the words of fsck; nothing where it ends with 0. */
  check(): string {
    const partition = join(this.folder, "partition");
    execFileSync("dd", [
      ...[
        `if=${this.file}`,
        `of=${partition}`,
        "bs=512",
        `skip=${BOOT_SECTOR}`,
        "conv=sparse",
        "status=none",
      ],
    ]);
    try {
      execFileSync("fsck.fat", ["-n", partition], { encoding: "utf8", stdio: "pipe" });
      return "";
    } catch (error) {
      return String((error as { stdout?: string }).stdout);
    }
  }

  get offsetBytes(): number {
    return BOOT_SECTOR * SECTOR_BYTES;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
