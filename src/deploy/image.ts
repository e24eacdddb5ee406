import { closeSync, openSync, readSync } from "node:fs";

const SECTOR_BYTES = 512;
const FAT_TYPES = new Set([0x04, 0x06, 0x0b, 0x0c, 0x0e]);

/**
 * Where the first FAT partition of a disk image begins, in bytes: by its master boot record, of which each of the four
 * entries of 16 bytes from 446 on has its type at 4 and its first sector at 8. Throws with words for people.
 */
export function bootPartitionOffset(imagePath: string): number {
  const record = Buffer.alloc(SECTOR_BYTES);
  const fd = openSync(imagePath, "r");
  try {
    readSync(fd, record, 0, SECTOR_BYTES, 0);
  } finally {
    closeSync(fd);
  }
  const magic = record.subarray(0, 6).toString("latin1");
  if (magic.startsWith("\xfd7zXZ")) throw new Error(`${imagePath} is compressed: xz -d ${imagePath} first`);
  if (magic.startsWith("PK")) throw new Error(`${imagePath} is a ZIP archive: unzip it first`);
  if (record.readUInt16LE(510) !== 0xaa55)
    throw new Error(`${imagePath} is no disk image: it has no partition table`);
  for (let at = 446; at < 510; at += 16)
    if (FAT_TYPES.has(record[at + 4]!)) return record.readUInt32LE(at + 8) * SECTOR_BYTES;
  throw new Error(`${imagePath} has no FAT partition: is it an image of Raspberry Pi OS?`);
}
