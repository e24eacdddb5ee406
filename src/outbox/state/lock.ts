import type { Random } from "../../device/random.ts";
import { type FileLayer, isFileError, type OpenFile } from "../files/files.ts";

/** Another process has the outbox open. */
export class OutboxLockedError extends Error {
  override readonly name = "OutboxLockedError";
  readonly pid: number;
  constructor(folder: string, pid: number) {
    super(`${folder} is in use by process ${pid}: stop it first, or choose another folder`);
    this.pid = pid;
  }
}

interface Claim {
  readonly nonce: string;
  readonly process: string;
}

/** Claims of this process that it has left although the disk refused to note it. To others they stand until it ends. */
const leftUnnoted = new Set<string>();

function keyOf(path: string, { nonce, process }: Claim): string {
  return `${path} ${nonce} ${process}`;
}

/**
 * Takes a folder for this process alone and returns how to give it back.
 *
 * The lock file is a list of claims, each appended whole. The first claim of a process that still runs owns the
 * folder, so of any number of starters at once exactly one wins, and what a dead process left behind needs no removal
 * that another might race with. Only the owner shortens the list, keeping its own claim in front all the while: who
 * finds its claim gone claims again.
 */
export function takeLock(files: FileLayer, folder: string, path: string, random: Random): () => void {
  const { self, isRunning } = files.processes;
  // The count keeps a new claim apart from those left, whatever `random` gives.
  const nonce = Math.floor(random() * 2 ** 48).toString(16) + leftUnnoted.size.toString(16);
  const own: Claim = { nonce, process: self };
  const isMine = (claim: Claim) => claim.nonce === nonce && claim.process === self;
  const file = files.open(path, "append");
  const say = (word: string) => appendLine(file, `${word} ${nonce} ${self}`);
  const isLeft = (claim: Claim) => claim.process === self && leftUnnoted.has(keyOf(path, claim));
  const stands = (claim: Claim) => isRunning(claim.process) && !isLeft(claim);
  const ownerOf = () => readClaims(file).find(stands);
  const refuse = (owner: Claim) => new OutboxLockedError(folder, Number.parseInt(owner.process, 10));
  const leave = () => {
    try {
      say("leave");
    } catch (error) {
      if (!isFileError(error)) throw error;
      leftUnnoted.add(keyOf(path, own));
    } finally {
      file.close();
    }
  };
  let claimed = false;
  try {
    for (;;) {
      const before = ownerOf();
      if (before !== undefined) throw refuse(before);
      claimed = true;
      say("claim");
      const owner = ownerOf();
      if (owner !== undefined && !isMine(owner)) throw refuse(owner);
      // The second look: those before us are dead by now, so nobody can shorten the list any more.
      if (owner !== undefined && readClaims(file).some(isMine)) break;
    }
    shorten(files, path, lineOf(`claim ${nonce} ${self}`));
  } catch (error) {
    if (claimed) leave();
    else file.close();
    throw error;
  }
  return leave;
}

/** The process that owns the folder, if any. Changes nothing. */
export function lockOwner(files: FileLayer, path: string): number | undefined {
  const file = files.open(path, "read");
  try {
    const owner = readClaims(file).find(({ process }) => files.processes.isRunning(process));
    return owner && Number.parseInt(owner.process, 10);
  } finally {
    file.close();
  }
}

/** Claims that were not left, in order. Lines torn by a power cut say nothing. */
function readClaims(file: OpenFile): Claim[] {
  const bytes = Buffer.alloc(file.sizeBytes());
  const text = bytes.toString("latin1", 0, file.read(bytes, 0));
  const claims: Claim[] = [];
  for (const line of text.split("\n")) {
    const [, word, nonce, process] = /^(claim|leave) ([0-9a-f]+) (\S+)$/.exec(line) ?? [];
    if (nonce === undefined || process === undefined) continue;
    if (word === "claim") claims.push({ nonce, process });
    else remove(claims, nonce, process);
  }
  return claims;
}

function remove(claims: Claim[], nonce: string, process: string): void {
  const at = claims.findIndex((claim) => claim.nonce === nonce && claim.process === process);
  if (at >= 0) claims.splice(at, 1);
}

/** A line brings its own beginning: what stands before it may be torn. */
function lineOf(text: string): Buffer {
  return Buffer.from(`\n${text}\n`, "latin1");
}

function appendLine(file: OpenFile, text: string): void {
  const line = lineOf(text);
  file.write(line, line.length, 0);
}

function shorten(files: FileLayer, path: string, line: Buffer): void {
  const file = files.open(path, "write");
  try {
    file.write(line, line.length, 0);
    file.truncate(line.length);
  } finally {
    file.close();
  }
}
