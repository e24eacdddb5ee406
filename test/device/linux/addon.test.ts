import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Addon, findAddon, loadAddon } from "../../../src/device/linux/addon.ts";

const addon = findAddon();

test("the native part loads where it was built; elsewhere the error says what to do", () => {
  if (addon) expect(Object.keys(addon)).toEqual(["ioctl", "watch", "unwatch", "adjtimex", "sdNotify"]);
  else expect(loadAddon).toThrow(/is missing: npm rebuild fieldpost/);
});

if (addon) testNativePart(addon);

function testNativePart(native: Addon): void {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "fieldpost-addon-"));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  describe("ioctl", () => {
    test("throws what Node would: code, number and system call", () => {
      const fd = openSync("/dev/null", "r+");
      try {
        expect(() => native.ioctl(fd, 0x8044b401, Buffer.alloc(68))).toThrow(
          expect.objectContaining({ code: "ENOTTY", errno: -25, syscall: "ioctl" }),
        );
        expect(() => native.ioctl(-1, 0x8044b401, Buffer.alloc(68))).toThrow(
          expect.objectContaining({ code: "EBADF" }),
        );
      } finally {
        closeSync(fd);
      }
    });

    test("refuses a structure that the kernel would go beyond, and what is none", () => {
      expect(() => native.ioctl(0, 0x8044b401, Buffer.alloc(67))).toThrow(TypeError);
      expect(() => native.ioctl(0, 0x8044b401, "x" as unknown as Buffer)).toThrow(TypeError);
    });
  });

  describe("watch", () => {
    test("calls back while there is something to read, until it is stopped", async () => {
      const fd = openPipe();
      let read = "";
      const watch = native.watch(fd, (error) => {
        expect(error).toBeUndefined();
        const room = Buffer.alloc(2);
        read += room.toString("utf8", 0, readSync(fd, room));
      });
      writeSync(fd, "abcde");
      await vi.waitFor(() => expect(read).toBe("abcde"));
      native.unwatch(watch);
      writeSync(fd, "f");
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(read).toBe("abcde");
      closeSync(fd);
    });

    test("refuses what cannot be watched", () => {
      expect(() => native.watch(-1, () => {})).toThrow(expect.objectContaining({ syscall: "watch" }));
      expect(() => native.watch(0, "x" as unknown as () => void)).toThrow(TypeError);
    });

    test("lets a process end in the middle of it, and makes an error in it an uncaught one", () => {
      const program = (callback: string, then: string) =>
        `const { watch } = require(process.argv[1]); const fs = require("node:fs");
         const fd = fs.openSync(process.argv[2], "r+"); watch(fd, ${callback}); ${then}`;
      openAndClosePipe();
      const run = (text: string) => execFileSync(process.execPath, ["-e", text, nativePath(), pipePath()]);
      run(program("() => {}", "setImmediate(() => process.exit())"));
      const caught = `process.on("uncaughtException", (e) => { console.log(e.message); process.exit() });`;
      const printed = run(
        program('() => { throw new Error("thrown inside") }', `${caught} fs.writeSync(fd, "x")`),
      );
      expect(String(printed)).toBe("thrown inside\n");
    });
  });

  test("adjtimex tells the state of the kernel's clock", () => {
    const { state, status, maxErrorUs } = native.adjtimex();
    // TIME_ERROR says nothing else than STA_UNSYNC and its like.
    expect(state).toBeGreaterThanOrEqual(0);
    expect(state).toBeLessThanOrEqual(5);
    expect(Number.isInteger(status)).toBe(true);
    expect(maxErrorUs).toBeGreaterThanOrEqual(0);
  });

  describe("sdNotify", () => {
    test("does nothing where no service manager listens", () => {
      vi.stubEnv("NOTIFY_SOCKET", undefined);
      expect(native.sdNotify("READY=1")).toBe(false);
    });

    test.each([
      ["a path where nothing is", () => join(folder, "none"), "ENOENT"],
      ["a name in the abstract name space that nobody has", () => `@${folder}`, "ECONNREFUSED"],
      ["a path that is too long", () => `/${"x".repeat(200)}`, "EINVAL"],
      ["what is no address", () => "vsock:2:1", "EINVAL"],
    ])("throws for %s", (_name, address, code) => {
      vi.stubEnv("NOTIFY_SOCKET", address());
      expect(() => native.sdNotify("READY=1")).toThrow(expect.objectContaining({ code }));
    });

    test("sends a datagram: a socket of another kind refuses it", async () => {
      const path = join(folder, "stream");
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(path, resolve));
      vi.stubEnv("NOTIFY_SOCKET", path);
      expect(() => native.sdNotify("READY=1")).toThrow(expect.objectContaining({ code: "EPROTOTYPE" }));
      await new Promise((resolve) => server.close(resolve));
    });
  });

  function pipePath(): string {
    return join(folder, "pipe");
  }

  /** Both ends of a pipe in one descriptor. */
  function openPipe(): number {
    execFileSync("mkfifo", [pipePath()]);
    return openSync(pipePath(), "r+");
  }

  function openAndClosePipe(): void {
    closeSync(openPipe());
  }

  function nativePath(): string {
    return join(
      import.meta.dirname,
      `../../../native/build/${process.platform}-${process.arch}/fieldpost.node`,
    );
  }
}
