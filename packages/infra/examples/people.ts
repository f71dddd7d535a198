// Who signed up, kept as small files in storage; the count is slow to make, so it is cached.
import { cache } from '@vibeonrails/infra/cache';
import { storage } from '@vibeonrails/infra/storage';

/** Somebody who signed up. */
export interface Person {
  id: string;
  name: string;
  email: string;
  avatar: string;
  traceId: string | undefined;
}

const fileOf = (id: string): string => `people/${id}.json`;

/** Keeps a person, and forgets the total, which is no longer right. */
export async function savePerson(person: Person): Promise<void> {
  await storage.put(fileOf(person.id), JSON.stringify(person), { contentType: 'application/json' });
  await cache.delete('total');
}

/** The person with this id; rejects with E_STORAGE_NOT_FOUND when there is none. */
export async function findPerson(id: string): Promise<Person> {
  return (await (await storage.get(fileOf(id))).json()) as Person;
}

/** How many signed up, counted at most once a minute, however many ask. */
export function countPeople(): Promise<{ people: number; countedAt: Date }> {
  return cache.getOrSet('total', '1m', async () => {
    let people = 0;
    for await (const _ of storage.list({ prefix: 'people/' })) people += 1;
    return { people, countedAt: new Date() };
  });
}
