/** What a write says to the other processes. */
export interface Announcement {
  /** Who wrote. */
  readonly from: string;
  /** What was written or removed; absent when it may be anything. */
  readonly keys?: readonly string[];
}

/** Where the caches of a namespace announce their writes. Channels are shared by all databases of a server. */
export const channelOf = (namespace: string): string => `infra-cache:${namespace}`;

/** Writes an announcement down. */
export const announcement = (said: Announcement): string => JSON.stringify(said);

/** Reads an announcement; one that cannot be understood may be about anything. */
export function understand(text: string): Announcement {
  try {
    const said = JSON.parse(text) as Announcement | null;
    if (typeof said?.from === 'string' && (said.keys === undefined || Array.isArray(said.keys))) return said;
  } catch {
    // Not one of ours: below.
  }
  return { from: '' };
}
