/** The package has its types where its own `exports` do not let them be found: these are what the tests use. */
declare module "node-homie" {
  interface Element {
    get(id: string): Element | undefined;
    readonly value: unknown;
    readonly attributes: Readonly<Record<string, unknown>>;
    onInit(): void;
  }
  interface Found {
    readonly type: "add" | "remove" | "error";
    readonly deviceId: string;
    makeDevice(): Element;
  }
  export class DeviceDiscovery {
    constructor(options: { readonly url: string });
    readonly events$: { subscribe(listener: (event: Found) => void): void };
    onInit(): void;
    onDestroy(): Promise<void>;
  }
  export class HomieDeviceManager {
    add(device: Element): Element | undefined;
    hasDevice(id: string): boolean;
    getDevice(id: string): Element | undefined;
    onDestroy(): Promise<void>;
  }
}
