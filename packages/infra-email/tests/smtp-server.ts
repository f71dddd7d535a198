import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

/** A message as it arrived. */
export interface Letter {
  readonly from: string;
  readonly to: string[];
  readonly raw: string;
  readonly user: string | undefined;
  readonly secure: boolean;
}

/** A reply to one command: the number and a text. Undefined for the usual one. */
export type Reply = readonly [code: number, text: string] | undefined;

/** A mail server to send to. */
export class MailServer {
  readonly letters: Letter[] = [];
  /** Every message that came in whole, taken or not. */
  readonly seen: string[] = [];
  /** Connections that were made. */
  connections = 0;
  /** Replies to RCPT TO, one each; then as usual. */
  readonly recipients: Reply[] = [];
  /** What becomes of the messages, one each: a reply, or the connection dropped while it is sent or after. */
  readonly messages: (Reply | 'drop-within' | 'take-and-drop' | 'silence')[] = [];
  port = 0;
  #options: SMTPServerOptions;
  #server: SMTPServer | undefined;

  constructor(options: SMTPServerOptions = {}) {
    this.#options = options;
  }

  async start(): Promise<this> {
    const server = new SMTPServer({
      authOptional: true,
      disableReverseLookup: true,
      closeTimeout: 50,
      logger: false,
      disabledCommands: this.#options.key ? [] : ['STARTTLS'],
      allowInsecureAuth: true,
      onConnect: (_, done) => {
        this.connections += 1;
        done();
      },
      onAuth: ({ username, password }, _, done) => {
        if (username === 'ada' && password === 'p@ss:word') done(null, { user: username });
        else done(replyOf([535, `no such user with ${password}`]));
      },
      onRcptTo: (_, __, done) => done(replyOf(this.recipients.shift())),
      onData: (stream, session, done) => {
        const what = this.messages.shift();
        if (what === 'drop-within') return void stream.once('data', () => this.hangUp());
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          const raw = Buffer.concat(chunks).toString('latin1');
          this.seen.push(raw);
          if (what === 'silence') return;
          if (Array.isArray(what)) return done(replyOf(what as Reply));
          const { mailFrom, rcptTo } = session.envelope;
          this.letters.push({
            from: mailFrom ? mailFrom.address : '',
            to: rcptTo.map(({ address }) => address),
            raw,
            user: session.user as string | undefined,
            secure: Boolean(session.secure),
          });
          if (what === 'take-and-drop') this.hangUp();
          else done();
        });
      },
      ...this.#options,
    });
    server.on('error', () => undefined);
    server.listen(this.port, '127.0.0.1');
    await once(server.server, 'listening');
    this.port = (server.server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** Ends all connections. */
  hangUp(): void {
    for (const connection of this.#server?.connections ?? []) connection._socket?.destroy();
  }

  /** Gone at once, with what is under way. */
  async stop(): Promise<void> {
    this.hangUp();
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

function replyOf(reply: Reply): Error | null {
  return reply ? Object.assign(new Error(reply[1]), { responseCode: reply[0] }) : null;
}
