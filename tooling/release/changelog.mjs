// What `changeset version` writes into the changelogs: sentences for users, without commit hashes, and nothing about a
// dependency but what they may want to know of it.

/** A change: its sentence, and the lines under it. */
export async function getReleaseLine({ summary }) {
  const [first, ...rest] = summary.trim().split('\n');
  return [`- ${first}`, ...rest.map((line) => (line === '' ? '' : `  ${line}`))].join('\n');
}

/** Packages of ours that it needs in a later version than before. */
export async function getDependencyReleaseLine(changesets, dependencies) {
  if (changesets.length === 0) return '';
  const needs = dependencies.map(({ name, newVersion }) => `${name} ${newVersion}`);
  return needs.length === 0 ? '' : `- Needs ${needs.join(', ')} or later.`;
}
