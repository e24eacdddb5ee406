import { createSocket } from "node:dgram";
import type { Clock } from "../device/clock.ts";

/** What a time server says of this machine's clock. */
export interface ServerTime {
  /** What would have to be added to this machine's clock. */
  readonly offsetMs: number;
  readonly roundTripMs: number;
}

/** Asks one server. Rejects with why there is no answer that can be used. */
export type AskTime = (server: string) => Promise<ServerTime>;

const PORT = 123;
const ANSWER_MS = 3_000;

/** RFC 5905, figure 8: the header without extensions. */
const PACKET_BYTES = 48;

/** No leap warning, version 4, mode 3 (client). */
const CLIENT = 0x23;
const MODE_SERVER = 4;
/** Leap indicator 3: the server's own clock is not set. */
const ALARM = 3;
const MAX_STRATUM = 15;

/** Offsets of the three timestamps that count. */
const ORIGIN = 24;
const RECEIVE = 32;
const TRANSMIT = 40;

/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_TO_UNIX_S = 2_208_988_800;

/** One question by SNTP (RFC 4330), over UDP. */
export function sntp(clock: Clock, port = PORT): AskTime {
  return (server) =>
    new Promise((resolve, reject) => {
      const socket = createSocket({ type: "udp4" });
      const over = new AbortController();
      const end = (settle: () => void) => {
        if (over.signal.aborted) return;
        over.abort();
        socket.close();
        settle();
      };
      const fail = (message: string) => end(() => reject(new Error(message)));
      void clock
        .sleep(ANSWER_MS, over.signal)
        .then(() => fail(`no answer within ${ANSWER_MS / 1000} s (UDP port ${port})`));
      const request = Buffer.alloc(PACKET_BYTES);
      let sentMs = 0;
      socket.once("error", ({ code, message }: NodeJS.ErrnoException) =>
        fail(code === "ENOTFOUND" || code === "EAI_AGAIN" ? "no such host" : message),
      );
      socket.on("message", (answer) => {
        const receivedMs = clock.wallMs();
        // What is not an answer to this question is nobody's business.
        if (
          answer.length < PACKET_BYTES ||
          !answer.subarray(ORIGIN, RECEIVE).equals(request.subarray(TRANSMIT))
        )
          return;
        const wrong = whatIsWrong(answer);
        if (wrong !== undefined) fail(wrong);
        else
          end(() =>
            resolve(
              compare({
                sentMs,
                receivedMs,
                serverGotMs: readMs(answer, RECEIVE),
                serverSentMs: readMs(answer, TRANSMIT),
              }),
            ),
          );
      });
      request[0] = CLIENT;
      sentMs = clock.wallMs();
      writeMs(request, TRANSMIT, sentMs);
      socket.send(request, port, server, (error) => {
        if (error)
          fail((error as NodeJS.ErrnoException).code === "ENOTFOUND" ? "no such host" : error.message);
      });
    });
}

/** RFC 4330, section 5, "client". */
function whatIsWrong(answer: Buffer): string | undefined {
  const first = answer[0] ?? 0;
  const stratum = answer[1] ?? 0;
  if ((first & 7) !== MODE_SERVER) return "answers, but is no time server";
  if (stratum === 0) return `refuses (${answer.toString("latin1", 12, 16).replace(/\0+$/, "")})`;
  if (first >> 6 === ALARM || stratum > MAX_STRATUM) return "its own clock is not set";
  return undefined;
}

interface Exchange {
  readonly sentMs: number;
  readonly serverGotMs: number;
  readonly serverSentMs: number;
  readonly receivedMs: number;
}

/** RFC 5905, section 8: the offset is half of the difference of the two ways. */
export function compare({ sentMs, serverGotMs, serverSentMs, receivedMs }: Exchange): ServerTime {
  return {
    offsetMs: (serverGotMs - sentMs + (serverSentMs - receivedMs)) / 2,
    roundTripMs: Math.max(0, receivedMs - sentMs - (serverSentMs - serverGotMs)),
  };
}

/** A timestamp in 32.32 bits. It wraps in 2036: the half that is nearer to now is taken to be meant. */
function readMs(packet: Buffer, at: number): number {
  const seconds = packet.readUInt32BE(at);
  const era = seconds < 2 ** 31 ? 2 ** 32 : 0;
  return (seconds + era - NTP_TO_UNIX_S) * 1000 + (packet.readUInt32BE(at + 4) / 2 ** 32) * 1000;
}

function writeMs(packet: Buffer, at: number, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  packet.writeUInt32BE((seconds + NTP_TO_UNIX_S) % 2 ** 32, at);
  packet.writeUInt32BE(Math.floor(((ms - seconds * 1000) / 1000) * 2 ** 32), at + 4);
}
