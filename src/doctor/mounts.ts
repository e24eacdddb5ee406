import type { Machine } from "./machine.ts";

/** A mounted file system (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly folder: string;
  /** `ext4` */
  readonly type: string;
  /** `/dev/mmcblk0p2` */
  readonly source: string;
  /** `major:minor` */
  readonly device: string;
  /** Of the mount and of the file system. */
  readonly options: readonly string[];
}

/** The file system that holds a path, or would hold it; undefined where the kernel does not tell. */
export async function mountOf(machine: Machine, path: string): Promise<Mount | undefined> {
  const mounts = parseMounts((await machine.text("/proc/self/mountinfo")) ?? "");
  const real = (await machine.real(await nearest(machine, path))) ?? path;
  const holding = mounts.filter(
    ({ folder }) => folder === "/" || real === folder || real.startsWith(`${folder}/`),
  );
  // Of two on one folder the later one hides the other.
  return holding.reduce<Mount | undefined>(
    (best, mount) => (best !== undefined && best.folder.length > mount.folder.length ? best : mount),
    undefined,
  );
}

/** The path, or the nearest folder above it that there is. */
export async function nearest(machine: Machine, path: string): Promise<string> {
  for (let at = path; at !== "" && at !== "/"; at = at.slice(0, at.lastIndexOf("/")))
    if (await machine.facts(at)) return at;
  return "/";
}

function parseMounts(text: string): readonly Mount[] {
  return text.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , device = "", , folder = "", mountOptions = ""] = before.split(" ");
    const [type = "", source = "", superOptions = ""] = after.split(" ");
    if (folder === "" || type === "") return [];
    const options = [...mountOptions.split(","), ...superOptions.split(",")];
    return [{ folder: unescaped(folder), type, source: unescaped(source), device, options }];
  });
}

/** Blanks and the like are written as octal numbers. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_whole, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
