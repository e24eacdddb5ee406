import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { memoryDisk } from "../../src/outbox/files/memory.ts";
import { nodeFiles } from "../../src/outbox/files/node.ts";
import { everyOutbox } from "./every-outbox.ts";
import { TAIL } from "./rig.ts";

const root = mkdtempSync(join(tmpdir(), "fieldpost-outbox-"));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;

everyOutbox("the file system", () => ({ files: nodeFiles(), path: join(root, String(++folders)) }));
everyOutbox("a disk in memory", () => ({ files: memoryDisk().mount(), path: "/outbox" }));
everyOutbox("a disk and a tmpfs", () => ({ files: memoryDisk().mount(), path: "/outbox", tail: TAIL }));
