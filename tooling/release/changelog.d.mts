/** A change of a changeset, as changesets passes it. */
export interface Change {
  readonly summary: string;
  readonly commit?: string;
}

/** A package of ours that gets a later version in the same release. */
export interface Dependency {
  readonly name: string;
  readonly newVersion: string;
}

/** A change's lines in a changelog. */
export function getReleaseLine(change: Change): Promise<string>;

/** The line on dependencies in a changelog, if any. */
export function getDependencyReleaseLine(
  changesets: readonly Partial<Change>[],
  dependencies: readonly Dependency[],
): Promise<string>;
