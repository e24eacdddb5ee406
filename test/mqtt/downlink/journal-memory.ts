import type { JournalFile } from "../../../src/mqtt/downlink/journal.ts";

/** A journal's file in memory that outlives its processes, counts, and can refuse or be torn. */
export class MemoryJournalFile implements JournalFile {
  bytes: Uint8Array = new Uint8Array();
  appends = 0;
  replaces = 0;
  /** Set: writing fails, after this many bytes have got through. */
  refusesAfterBytes: number | undefined;
  unreadable = false;

  async read(): Promise<Uint8Array> {
    if (this.unreadable) throw new Error("EIO: i/o error, read");
    return this.bytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.appends++;
    const refused = this.refusesAfterBytes;
    this.bytes = Buffer.concat([this.bytes, bytes.subarray(0, refused ?? bytes.length)]);
    if (refused !== undefined) throw new Error("ENOSPC: no space left on device, write");
  }

  async replace(bytes: Uint8Array): Promise<void> {
    this.replaces++;
    if (this.refusesAfterBytes !== undefined) throw new Error("ENOSPC: no space left on device, write");
    this.bytes = Buffer.from(bytes);
  }

  async close(): Promise<void> {}
}
