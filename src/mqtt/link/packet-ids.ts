import type { IClientOptions } from "mqtt";

type PacketIds = NonNullable<IClientOptions["messageIdProvider"]>;

/** Packet identifiers are 1 to 65,535 (MQTT 5, section 2.2.1). */
const MAX_ID = 65_535;

/**
 * Packet identifiers, each in use at most once. MQTT.js's own provider counts round without looking: at a broker that
 * leaves one message unanswered, the next round's PUBACK would be taken for that message's.
 */
export function createPacketIds(): PacketIds {
  const used = new Set<number>();
  let last = 0;
  return {
    allocate() {
      if (used.size >= MAX_ID) return null;
      do last = (last % MAX_ID) + 1;
      while (used.has(last));
      used.add(last);
      return last;
    },
    getLastAllocated: () => last,
    register(id) {
      if (used.has(id)) return false;
      used.add(id);
      return true;
    },
    deallocate: (id) => void used.delete(id),
    clear: () => used.clear(),
  };
}
