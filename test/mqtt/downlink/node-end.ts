import type { Guard } from "../../../src/actuators/guard.ts";
import { VirtualClock } from "../../../src/device/sim/clock.ts";
import { type Log, silentLog } from "../../../src/log.ts";
import { topicsUnder } from "../../../src/mqtt/convention/topics.ts";
import { createDownlink, type Downlink, type DownlinkParts } from "../../../src/mqtt/downlink/downlink.ts";
import { type Journal, openJournal } from "../../../src/mqtt/downlink/journal.ts";
import type { Incoming, Outgoing } from "../../../src/mqtt/link/link.ts";
import { configured, openWired, RelayBoard } from "../../actuators/wiring.ts";
import { MemoryJournalFile } from "./journal-memory.ts";

export const ROOT = "fieldpost/gh1";

/** What a result says, without its time. */
export interface Answer {
  readonly topic: string;
  readonly id?: string;
  readonly status: string;
  readonly state?: string;
  readonly error?: string;
}

export interface NodeEndOptions {
  readonly actuators: readonly Record<string, unknown>[];
  readonly nodeCommands?: DownlinkParts["nodeCommands"];
  readonly couldBeQueued?: () => boolean;
  readonly publishResult?: DownlinkParts["publishResult"];
  readonly synced?: boolean;
  readonly signed?: DownlinkParts["signed"];
}

/** Everything between the broker's message and the relay, with a restart that keeps the disk. */
export class NodeEnd {
  readonly clock: VirtualClock;
  readonly relays: RelayBoard;
  readonly file = new MemoryJournalFile();
  readonly published: Outgoing[] = [];
  readonly warnings: string[] = [];
  readonly #options: NodeEndOptions;
  #life = new AbortController();
  guard!: Guard;
  journal!: Journal;
  downlink!: Downlink;

  constructor(options: NodeEndOptions) {
    this.#options = options;
    this.clock = new VirtualClock({ wallMs: Date.UTC(2026, 10, 23), synced: options.synced ?? true });
    this.relays = new RelayBoard(this.clock);
  }

  static async start(options: NodeEndOptions): Promise<NodeEnd> {
    const end = new NodeEnd(options);
    await end.restart();
    return end;
  }

  /** The process is killed, and another finds what it left on the disk. */
  async restart(): Promise<void> {
    this.#life.abort();
    this.#life = new AbortController();
    const gpio = this.relays.gpio(this.#life.signal);
    const { nodeCommands = {}, couldBeQueued = () => false, publishResult, signed } = this.#options;
    const log: Log = {
      ...silentLog,
      warn: (message, fields) => this.warnings.push(`${message}: ${fields?.["reason"]}`),
    };
    const actuators = configured(this.#options.actuators);
    this.guard = await this.clock.run(openWired({ actuators, gpio, clock: this.clock }));
    this.journal = await openJournal({
      file: this.file,
      log: silentLog,
      wallMs: () => (this.clock.synced() ? this.clock.wallMs() : undefined),
    });
    this.downlink = createDownlink({
      topics: topicsUnder(ROOT),
      guard: this.guard,
      journal: this.journal,
      clock: this.clock,
      log,
      ...(signed && { signed }),
      nodeCommands,
      couldBeQueued,
      publishResult: async (message) => {
        this.published.push(message);
        await publishResult?.(message);
      },
    });
  }

  /** Not yet settled: what became of it depends on the clock. */
  receive(target: string, payload: string | Uint8Array, more: Partial<Incoming> = {}): Promise<void> {
    return this.downlink.receive({
      topic: `${ROOT}/command/${target}`,
      payload: typeof payload === "string" ? Buffer.from(payload) : payload,
      retain: false,
      qos: 1,
      ...more,
    });
  }

  /** Sends one command and returns what was published for it. */
  async send(target: string, payload: unknown, more: Partial<Incoming> = {}): Promise<Answer[]> {
    const before = this.published.length;
    const bytes =
      typeof payload === "string" || payload instanceof Uint8Array ? payload : JSON.stringify(payload);
    await this.clock.run(this.receive(target, bytes, more));
    return this.answers().slice(before);
  }

  answers(): Answer[] {
    return this.published.map(({ topic, payload }) => {
      const { time: _time, ...result } = JSON.parse(payload as string);
      return { topic: topic.replace(`${ROOT}/`, ""), ...result };
    });
  }
}
