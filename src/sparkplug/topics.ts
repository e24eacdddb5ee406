/** Eclipse Sparkplug 3.0.0, section 4.1. */
const NAMESPACE = "spBv1.0";

export type NodeVerb = "NBIRTH" | "NDATA" | "NDEATH" | "NCMD";
export type DeviceVerb = "DBIRTH" | "DDATA" | "DDEATH" | "DCMD";

/** The topics of one edge node. */
export interface SparkplugTopics {
  of(verb: NodeVerb): string;
  ofDevice(verb: DeviceVerb, device: string): string;
  /** Whom a command is for: a device, or the node itself (`undefined`). `false` where the topic is no command of ours. */
  commanded(topic: string): string | undefined | false;
  /** The device of one of our DDATA topics. */
  dataDevice(topic: string): string | undefined;
  /** The device of one of our DDEATH topics. */
  deadDevice(topic: string): string | undefined;
  /** Whether messages of this topic carry a sequence number: our data and the deaths of our devices. */
  isNumbered(topic: string): boolean;
}

export function sparkplugTopics(group: string, edgeNode: string): SparkplugTopics {
  const of = (verb: NodeVerb | DeviceVerb) => `${NAMESPACE}/${group}/${verb}/${edgeNode}`;
  const below = (verb: DeviceVerb, topic: string) => {
    const prefix = `${of(verb)}/`;
    return topic.startsWith(prefix) ? topic.slice(prefix.length) : undefined;
  };
  return {
    of,
    ofDevice: (verb, device) => `${of(verb)}/${device}`,
    commanded: (topic) => (topic === of("NCMD") ? undefined : (below("DCMD", topic) ?? false)),
    dataDevice: (topic) => below("DDATA", topic),
    deadDevice: (topic) => below("DDEATH", topic),
    isNumbered: (topic) =>
      topic === of("NDATA") || below("DDATA", topic) !== undefined || below("DDEATH", topic) !== undefined,
  };
}

/** Where a host application says whether it is there (section 4.3). */
export function stateTopic(host: string): string {
  return `${NAMESPACE}/STATE/${host}`;
}
