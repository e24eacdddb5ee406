import { formatSizeBytes } from "../schema/size.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import { mountOf, nearest } from "./mounts.ts";
import { bytesOfOutbox } from "./outbox.ts";
import { inShort, may, nodeUser } from "./user.ts";

export const outboxFolder: Check = {
  id: "outbox-folder",
  area: "storage",
  title: "outbox folder",
  looksAt: "the node's user may write into `buffer.path`, or make it",
  needs: "linux",
  async run(patient) {
    const { machine, config } = patient;
    const { path } = config.buffer;
    const what = "outbox folder";
    const user = await nodeUser(patient);
    const place = await nearest(machine, path);
    const facts = await machine.facts(place);
    if (!facts) return [failed(what, `${path} cannot be looked at`)];
    if (!facts.isFolder)
      return [failed(what, `${place} is no folder`, "take it away, or set buffer.path to another place")];
    const found =
      place === path ? `${path}: ${inShort(facts)}` : `${path} is not there yet; ${place}: ${inShort(facts)}`;
    if (may(user, facts, "wx"))
      return [ok(what, place === path ? found : `${path} will be made in ${place}`)];
    return [
      failed(
        what,
        `${found}: ${user.name} may not write there`,
        place === path
          ? `sudo chown -R ${user.name} ${path}`
          : `sudo install -d -o ${user.name} ${path}, or set buffer.path to a folder of yours`,
      ),
    ];
  },
};

/** What the file system keeps for itself beside the outbox, and what logs and the rest of the system need. */
const ROOM_BESIDE_BYTES = 64 * 1024 ** 2;

export const diskSpace: Check = {
  id: "disk-space",
  area: "storage",
  title: "disk space",
  looksAt: "what `buffer.max_size` allows fits onto the disk beside what is there",
  needs: "linux",
  async run({ machine, config }) {
    const { path, max_size } = config.buffer;
    const space = await machine.space(await nearest(machine, path));
    if (!space) return [];
    const takenBytes = await bytesOfOutbox(machine, path);
    const wantedBytes = Math.max(0, max_size - takenBytes);
    const found = `${formatSizeBytes(space.freeBytes)} free`;
    const fix =
      "make room (sudo apt-get clean, journalctl --vacuum-size=16M), or set a smaller buffer.max_size";
    if (space.freeBytes < 1024 ** 2) return [failed("disk space", `${found}: nothing can be kept`, fix)];
    if (space.freeBytes < wantedBytes + ROOM_BESIDE_BYTES)
      return [
        warning("disk space", `${found}; the outbox may want ${formatSizeBytes(wantedBytes)} more`, fix),
      ];
    return [ok("disk space", `${found}; the outbox takes up to ${formatSizeBytes(max_size)}`)];
  },
};

const FEW_FILES = 200;

export const inodes: Check = {
  id: "inodes",
  area: "storage",
  title: "inodes",
  looksAt: "the file system has room for more files: a disk with space can be full of small ones",
  needs: "linux",
  async run({ machine, config }) {
    const space = await machine.space(await nearest(machine, config.buffer.path));
    if (!space || space.totalFiles === 0) return [];
    const found = `${space.freeFiles} of ${space.totalFiles} free`;
    if (space.freeFiles >= FEW_FILES) return [ok("inodes", found)];
    return [
      failed(
        "inodes",
        `${found}: no file can be made`,
        `find where they are: sudo du --inodes -xd3 / | sort -n | tail`,
      ),
    ];
  },
};

const IN_MEMORY = ["tmpfs", "ramfs", "overlay"];
const WITHOUT_JOURNAL = ["vfat", "exfat", "msdos", "ext2"];
const ELSEWHERE = /^(nfs|cifs|smb|9p|fuse|virtiofs)/;

export const fileSystem: Check = {
  id: "file-system",
  area: "storage",
  title: "file system",
  looksAt:
    "the outbox is on a file system that survives power cuts: not in memory, not FAT, not on the network",
  needs: "linux",
  async run({ machine, config }) {
    const mount = await mountOf(machine, config.buffer.path);
    if (!mount) return [];
    const what = "file system";
    const found = `${mount.type} on ${mount.source}`;
    const elsewhere = "set buffer.path to a folder on ext4";
    if (IN_MEMORY.includes(mount.type))
      return [
        warning(
          what,
          `${found} is in memory: a power cut loses what waits for the broker`,
          mount.type === "overlay"
            ? "with a read-only root, keep the outbox on a partition of its own"
            : elsewhere,
        ),
      ];
    if (WITHOUT_JOURNAL.includes(mount.type))
      return [warning(what, `${found} has no journal: a power cut may lose files`, elsewhere)];
    if (ELSEWHERE.test(mount.type))
      return [
        warning(
          what,
          `${found} is not this machine's own disk: locks and power cuts are not what they are there`,
          elsewhere,
        ),
      ];
    return [ok(what, `${found}, ${mount.folder}`)];
  },
};

export const mountOptions: Check = {
  id: "mount-options",
  area: "storage",
  title: "mount options",
  looksAt:
    "the outbox's file system is mounted for writing, keeps its promises (barriers), and does not wear the card (sync, strictatime)",
  needs: "linux",
  async run({ machine, config }) {
    const mount = await mountOf(machine, config.buffer.path);
    if (!mount) return [];
    const what = "mount options";
    const has = (option: string) => mount.options.includes(option);
    const inFstab = `/etc/fstab, the line of ${mount.folder}`;
    if (has("ro"))
      return [
        failed(
          what,
          `${mount.folder} is mounted read-only`,
          `dmesg tells whether an error made it so (then the card is failing); else ${inFstab}`,
        ),
      ];
    if (has("nobarrier") || has("barrier=0"))
      return [
        warning(
          what,
          "without barriers a power cut may lose what was synced",
          `take nobarrier out of ${inFstab}`,
        ),
      ];
    if (has("sync"))
      return [
        warning(
          what,
          "sync: every write goes to the card at once and wears it",
          `take sync out of ${inFstab}`,
        ),
      ];
    // The kernel names the gentle ones and not the harsh one.
    if (!has("noatime") && !has("relatime"))
      return [
        warning(what, "each reading of a file is written to the card (strictatime)", `noatime in ${inFstab}`),
      ];
    return [ok(what, has("noatime") ? "rw, noatime" : "rw, relatime")];
  },
};

export const tail: Check = {
  id: "tail",
  area: "storage",
  title: "tail",
  looksAt: "`buffer.tail` is there and in memory (tmpfs): otherwise it is not used",
  needs: "linux",
  async run({ machine, config, file }) {
    const { tail } = config.buffer;
    if (tail === undefined) return [];
    const facts = await machine.facts(tail);
    // The service makes its own when it starts.
    if (!facts && file.isOfService && tail === "/run/fieldpost")
      return [ok("tail", `${tail} is made when the service starts`)];
    if (!facts)
      return [
        warning(
          "tail",
          `${tail} is not there`,
          `a folder on a tmpfs, such as /run/fieldpost (RuntimeDirectory= of the service)`,
        ),
      ];
    const mount = await mountOf(machine, tail);
    if (mount && mount.type !== "tmpfs" && mount.type !== "ramfs")
      return [
        warning(
          "tail",
          `${tail} is on ${mount.type}, not in memory: not used`,
          "set it to a folder on a tmpfs, such as /run/fieldpost",
        ),
      ];
    return [ok("tail", `${tail} is in memory`)];
  },
};
