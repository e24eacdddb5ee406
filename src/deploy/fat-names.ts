/**
 * Names in a FAT folder. Source: Microsoft, "FAT: General Overview of On-Disk Format", version 1.03 (2000-12-06),
 * sections "FAT 32 Byte Directory Entry Structure" and "FAT Long Directory Entries".
 */
export const ENTRY_BYTES = 32;
export const LONG_NAME = 0x0f;

const LAST_LONG_ENTRY = 0x40;
const UNITS_PER_ENTRY = 13;
/** Where the 13 UTF-16 units of a long entry are. */
const UNIT_OFFSETS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
const FITS_SHORT = /^[A-Z0-9_~!#$%&'()@^`{}-]{1,8}(\.[A-Z0-9_~!#$%&'()@^`{}-]{1,3})?$/;

/** The 11 bytes of a short name (`CONFIG  TXT`) that no other file of the folder has. */
export function shortNameFor(name: string, taken: ReadonlySet<string>): string {
  if (FITS_SHORT.test(name)) return padded(name);
  const clean = (text: string) => text.toUpperCase().replace(/[^A-Z0-9_-]/g, "_");
  const dot = name.lastIndexOf(".");
  const base = clean(dot > 0 ? name.slice(0, dot) : name).replaceAll(".", "");
  const extension = dot > 0 ? clean(name.slice(dot + 1)).slice(0, 3) : "";
  for (let number = 1; ; number++) {
    const tail = `~${number}`;
    const candidate = padded(`${base.slice(0, 8 - tail.length)}${tail}${extension && `.${extension}`}`);
    if (!taken.has(candidate)) return candidate;
  }
}

function padded(name: string): string {
  const [base = "", extension = ""] = name.split(".");
  return base.padEnd(8) + extension.padEnd(3);
}

/** Whether a name needs long entries beside its short one. */
export function needsLongName(name: string): boolean {
  return !FITS_SHORT.test(name);
}

/** The long entries that stand before the short one, in the order in which they stand on the disk. */
export function encodeLongName(name: string, shortName: string): Buffer[] {
  const count = Math.ceil(name.length / UNITS_PER_ENTRY);
  return Array.from({ length: count }, (_, index) => {
    const order = count - index;
    const entry = Buffer.alloc(ENTRY_BYTES);
    entry[0] = order | (index === 0 ? LAST_LONG_ENTRY : 0);
    entry[11] = LONG_NAME;
    entry[13] = checksum(shortName);
    for (const [unit, offset] of UNIT_OFFSETS.entries()) {
      const at = (order - 1) * UNITS_PER_ENTRY + unit;
      // One zero ends the name; what is left of the entry is filled with ones.
      const code = at < name.length ? name.charCodeAt(at) : at === name.length ? 0 : 0xffff;
      entry.writeUInt16LE(code, offset);
    }
    return entry;
  });
}

/** The piece of a name that one long entry holds. */
export function decodeLongPiece(entry: Buffer): string {
  const codes = UNIT_OFFSETS.map((offset) => entry.readUInt16LE(offset));
  const end = codes.indexOf(0);
  return String.fromCharCode(...(end < 0 ? codes : codes.slice(0, end)));
}

export function decodeShortName(entry: Buffer): string {
  const base = entry.toString("latin1", 0, 8).trimEnd();
  const extension = entry.toString("latin1", 8, 11).trimEnd();
  // Windows keeps a name of small letters in a short entry, and says so in two bits.
  const small = entry[12] ?? 0;
  return (
    (small & 0x08 ? base.toLowerCase() : base) +
    (extension && `.${small & 0x10 ? extension.toLowerCase() : extension}`)
  );
}

/** Ties long entries to their short one (same source, "ChkSum"). */
function checksum(shortName: string): number {
  let sum = 0;
  for (const byte of Buffer.from(shortName, "latin1")) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}
