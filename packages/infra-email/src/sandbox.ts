import type { Address, RenderedEmail } from './driver.ts';

/** The message for `to` alone; those it was for are named in `X-Original-To`, `-Cc` and `-Bcc`. */
export function sandboxed(message: Readonly<RenderedEmail>, to: Address): Readonly<RenderedEmail> {
  const originals = Object.entries({
    'X-Original-To': message.to,
    'X-Original-Cc': message.cc,
    'X-Original-Bcc': message.bcc,
  }).flatMap(([name, list]) => (list.length > 0 ? [[name, list.map(({ email }) => email).join(', ')]] : []));
  const others = Object.entries(message.headers).filter(([name]) => !/^x-original-(?:to|b?cc)$/i.test(name));
  return Object.freeze({
    ...message,
    to: [to],
    cc: [],
    bcc: [],
    headers: Object.fromEntries([...others, ...originals]),
  });
}
