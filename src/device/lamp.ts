/** The light on the board by which a person finds it among others. */
export interface Lamp {
  /** Whether the board has one. */
  isThere(): Promise<boolean>;
  /** Takes the light from whatever it showed. Rejects, with an error for people, where that is not possible. */
  take(): Promise<TakenLamp>;
}

export interface TakenLamp {
  readonly name: string;
  set(on: boolean): Promise<void>;
  /** It shows again what it showed before. */
  giveBack(): Promise<void>;
}
