import type { FileFacts, Machine } from "./machine.ts";
import type { Patient } from "./patient.ts";
import { readUnit } from "./unit.ts";

/** Somebody as the kernel knows them. */
export interface User {
  readonly name: string;
  /** 0 is root. */
  readonly uid: number;
  /** Numbers of all groups. */
  readonly groups: readonly number[];
}

/** The service's, where its unit does not say. */
const SERVICE_USER = "fieldpost";

/**
 * Who the node runs as: with the service's configuration its user, whoever asks the doctor; else whoever asks.
 */
export async function nodeUser({ machine, file }: Pick<Patient, "machine" | "file">): Promise<User> {
  const unit = file.isOfService ? await readUnit(machine) : undefined;
  if (!unit) return machine.user;
  const name = unit.values("User").at(-1) ?? SERVICE_USER;
  const [, uid, gid] =
    new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, "m").exec((await machine.text("/etc/passwd")) ?? "") ?? [];
  if (uid === undefined) return machine.user;
  const groups = await groupsOf(machine);
  const supplementary = unit.values("SupplementaryGroups").flatMap((names) => names.split(/\s+/));
  const numbers = groups
    .filter((group) => group.members.includes(name) || supplementary.includes(group.name))
    .map((group) => group.gid);
  return { name, uid: Number(uid), groups: [Number(gid), ...numbers] };
}

export interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** As group(5) has them. */
export async function groupsOf(machine: Machine): Promise<readonly Group[]> {
  const text = (await machine.text("/etc/group")) ?? "";
  return [...text.matchAll(/^([^:\n]+):[^:\n]*:(\d+):([^:\n]*)$/gm)].map(
    ([, name = "", gid, members = ""]) => ({
      name,
      gid: Number(gid),
      members: members.split(","),
    }),
  );
}

const BITS = { r: 4, w: 2, x: 1 } as const;

/** Whether a user may do all of `wanted` with a file, by its mode (access(2) tells only of the user who asks). */
export function may({ uid, groups }: User, file: FileFacts, wanted: string): boolean {
  if (uid === 0) return true;
  const shift = file.uid === uid ? 6 : groups.includes(file.gid) ? 3 : 0;
  return [...wanted].every((letter) => ((file.mode >> shift) & BITS[letter as keyof typeof BITS]) !== 0);
}

/** As `ls -l` would have it: `0640 1000:44`. */
export function inShort({ mode, uid, gid }: FileFacts): string {
  return `${(mode & 0o7777).toString(8).padStart(4, "0")} ${uid}:${gid}`;
}
