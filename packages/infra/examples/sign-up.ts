// A form post becomes a person: checked, the avatar stored, the job enqueued.
import { randomUUID } from 'node:crypto';
import { currentContext } from '@vibeonrails/infra/core';
import { increment } from '@vibeonrails/infra/monitoring';
import { enqueue } from '@vibeonrails/infra/queue';
import { storage } from '@vibeonrails/infra/storage';
import { z } from 'zod';
import { announce } from './feed.ts';
import { savePerson } from './people.ts';
import { welcome } from './welcome.ts';

const MAX_AVATAR_BYTES = 1_000_000;

/** The first bytes of the pictures we take: a file's name and declared type prove nothing. */
const PICTURES: Record<string, RegExp> = {
  'image/png': /^\x89PNG/,
  'image/jpeg': /^\xff\xd8\xff/,
  'image/gif': /^GIF8/,
  'image/webp': /^RIFF....WEBP/s,
};

const form = z.object({
  name: z.string().trim().min(1, 'Tell us your name.').max(80, 'Use 80 characters at most.'),
  email: z.email('This is not an e-mail address.'),
  avatar: z
    .file('Choose a picture.')
    .min(1, 'Choose a picture.')
    .max(MAX_AVATAR_BYTES, 'Choose a picture of at most 1 MB.')
    .transform(picture),
});

/** What is wrong with a form, by field. */
export class FormError extends Error {
  readonly problems: Record<string, string>;

  constructor(problems: Record<string, string>) {
    super('The form has problems.');
    this.problems = problems;
  }
}

/** Signs somebody up and returns their id. Throws {@link FormError} when the form is not right. */
export async function signUp(fields: FormData): Promise<string> {
  const { name, email, avatar } = await parse(fields);
  const id = randomUUID();
  await announce(id, 'received', `${name} filled in the form, and every field is right.`);

  const { key, size } = await storage.put(`avatars/${id}`, avatar.bytes, { contentType: avatar.contentType });
  await announce(id, 'stored', `The avatar is stored as ${key}, ${size} bytes.`);

  await savePerson({ id, name, email, avatar: key, traceId: currentContext().trace?.traceId });
  increment('sign_ups');
  const job = await enqueue(welcome, { signUp: id, name, email }, { unique: id });
  await announce(id, 'enqueued', `The job "welcome" waits as ${job.id}.`);
  return id;
}

/** Every mistake at once, those of the picture's content too. */
async function parse(fields: FormData): Promise<z.output<typeof form>> {
  const result = await form.safeParseAsync(Object.fromEntries(fields));
  if (result.success) return result.data;
  throw new FormError(
    Object.fromEntries(result.error.issues.map(({ path, message }) => [String(path[0]), message])),
  );
}

async function picture(
  file: File,
  { addIssue }: z.RefinementCtx,
): Promise<{ bytes: Uint8Array; contentType: string }> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const head = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  const contentType = Object.keys(PICTURES).find((name) => PICTURES[name]?.test(head));
  if (contentType) return { bytes, contentType };
  addIssue('Choose a PNG, JPEG, GIF or WebP picture.');
  return z.NEVER;
}
