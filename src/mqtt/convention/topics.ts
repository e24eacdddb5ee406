/** The node's topics, all under one root. */
export interface Topics {
  readonly root: string;
  readonly status: string;
  readonly about: string;
  readonly health: string;
  /** Matches every command to this node, `command/node` among them. */
  readonly commands: string;
  telemetry(sensor: string): string;
  event(name: string): string;
  state(actuator: string): string;
  fault(sensor: string): string;
  /** `target` is an actuator, or `node`. */
  command(target: string): string;
  /** `target` is an actuator, or `node`. */
  result(target: string): string;
  /** Whom a command is for; undefined where the topic is not one of {@link commands}. */
  commandTarget(topic: string): string | undefined;
}

/** What the node itself is called among the targets of commands. */
export const NODE_TARGET = "node";

export function topicsUnder(root: string): Topics {
  const commandPrefix = `${root}/command/`;
  return {
    root,
    status: `${root}/status`,
    about: `${root}/about`,
    health: `${root}/health`,
    commands: `${commandPrefix}+`,
    telemetry: (sensor) => `${root}/telemetry/${sensor}`,
    event: (name) => `${root}/event/${name}`,
    state: (actuator) => `${root}/state/${actuator}`,
    fault: (sensor) => `${root}/fault/${sensor}`,
    command: (target) => `${commandPrefix}${target}`,
    result: (target) => `${root}/result/${target}`,
    commandTarget(topic) {
      const target = topic.startsWith(commandPrefix) ? topic.slice(commandPrefix.length) : "";
      return target === "" || target.includes("/") ? undefined : target;
    },
  };
}

/** Whether a topic filter matches a topic (MQTT 5, section 4.7). */
export function topicMatches(filter: string, topic: string): boolean {
  // [MQTT-4.7.2-1] wildcards at the first level do not match the broker's own topics.
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [at, want] of wanted.entries()) {
    if (want === "#") return true;
    if (at >= levels.length || (want !== "+" && want !== levels[at])) return false;
  }
  return wanted.length === levels.length;
}
