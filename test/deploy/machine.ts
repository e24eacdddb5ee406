import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";

/** A Debian 13 of its own, and what a person types in it. */
export class Machine {
  readonly root = mkdtempSync(join(tmpdir(), "fieldpost-debian-"));

  constructor() {
    execFileSync("tar", ["-xf", inject("debianRoot"), "-C", this.root, "--exclude=./dev/*"]);
    execFileSync("mknod", ["-m", "666", join(this.root, "dev/null"), "c", "1", "3"]);
    execFileSync("mknod", ["-m", "666", join(this.root, "dev/urandom"), "c", "1", "9"]);
    writeFileSync(join(this.root, "etc/hosts"), `127.0.0.1 localhost ${hostname()}\n`);
    execFileSync("mount", ["-t", "proc", "proc", join(this.root, "proc")]);
  }

  run(...command: readonly string[]): string {
    const { status, stdout, stderr } = spawnSync("chroot", [this.root, ...command], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
    return stdout;
  }

  install(name: string, wanted: string): string {
    const file = `${name}_${wanted}_amd64.deb`;
    cpSync(join(inject("packages"), file), join(this.root, "tmp", file));
    return this.run("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "-i", `/tmp/${file}`);
  }

  file(path: string): string {
    return join(this.root, path);
  }

  /** A node as its service would run it, for a moment, with nobody to deliver to. */
  runNode(): void {
    this.run(
      ...["setpriv", "--reuid", "fieldpost", "--regid", "fieldpost", "--init-groups"],
      ...["timeout", "--preserve-status", "-s", "TERM", "2", "fieldpost", "run"],
    );
  }

  outbox(): { readonly depth: number; readonly stream: string; readonly runs: number } {
    const { depth, stream, run } = JSON.parse(this.run("fieldpost", "buffer", "status", "--json"));
    return { depth, stream, runs: run };
  }

  remove(): void {
    execFileSync("umount", [join(this.root, "proc")]);
    rmSync(this.root, { recursive: true, force: true });
  }
}
