/** Homie convention 5.0, "Topic IDs": a level has lower-case letters, digits and hyphens. */
const ID = /^[a-z0-9-]+$/;

/** The Homie node that is the machine itself. */
export const MACHINE = "node";

export function isHomieId(id: string): boolean {
  return ID.test(id);
}

/** An id of ours in Homie's letters. Two may become one: a configuration in which they do is refused. */
export function homieId(id: string): string {
  return id.toLowerCase().replaceAll("_", "-");
}

/** Which of the ids become one that another, or the machine's own node, has already: by index, with that other. */
export function collisions(ids: readonly string[]): ReadonlyMap<number, string> {
  const taken = new Map<string, string>([[MACHINE, "the node itself"]]);
  const found = new Map<number, string>();
  for (const [index, id] of ids.entries()) {
    const other = taken.get(homieId(id));
    if (other === undefined) taken.set(homieId(id), id);
    else found.set(index, other);
  }
  return found;
}
