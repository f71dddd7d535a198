/** A checked address. */
export interface Address {
  /** The display name, any characters but line breaks and other controls. */
  readonly name?: string;
  /** ASCII alone: a domain in another script is in its `xn--` form. */
  readonly email: string;
}

/** A checked attachment. */
export interface MessageAttachment {
  readonly filename: string;
  readonly content: Uint8Array;
  /** Such as `application/pdf`. */
  readonly contentType: string;
  /** The id under which the HTML shows it: `<img src="cid:logo">`. Absent for a file to download. */
  readonly cid?: string;
}

/**
 * A message, complete and checked: what a driver is given. It is rendered once; a retry sends the same object. No
 * text in it holds a line break where a header would carry it.
 */
export interface RenderedEmail {
  /** The template it was made from. */
  readonly template: string;
  /** The locale of the template that was used, such as `fr`. */
  readonly locale: string;
  readonly from: Address;
  /** At least one. `to`, `cc` and `bcc` hold up to 50 together. */
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly replyTo: readonly Address[];
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  /** Further headers: names as given, values without line breaks. None that the fields above make. */
  readonly headers: Readonly<Record<string, string>>;
  /** Names and values of `A-Z a-z 0-9 _ -`, up to 256 characters each. */
  readonly tags: Readonly<Record<string, string>>;
  readonly attachments: readonly MessageAttachment[];
}

/** What a driver is told beside the message. */
export interface SendContext {
  /** The same over every retry of one message. 1 to 256 printable ASCII characters. */
  readonly idempotencyKey: string;
  /** Aborts when the caller gives up. */
  readonly signal: AbortSignal;
}

/** What a driver answers when it has taken a message over. */
export interface SendReceipt {
  /** The id by which the driver knows the message. */
  readonly id: string;
  /** Where to look at it: set by a driver that keeps messages in place of delivering them. */
  readonly previewPath?: string;
}

/** How one message of a batch fared. */
export type BatchReceipt = SendReceipt | { readonly error: Error };

/**
 * What every e-mail driver does: take a finished message over, once. The sender above it does the templates, the
 * checks and the keys. `emailDriverSuite()` in `./testing` proves a driver.
 */
export interface EmailDriver {
  /** Its name in results, logs and telemetry. */
  readonly name: string;
  /** The sender used when nobody names one. Absent on a driver that really delivers. */
  readonly defaultFrom?: string;
  /** Resolves when it can send; rejects with a coded error when it never will. Idempotent. */
  ready(): Promise<void>;
  /**
   * Takes a message over: what resolves is not lost. A second call with the same key and the same message resolves
   * to the first id and sends nothing. With the same key and another message it rejects with `E_EMAIL_IDEMPOTENCY`.
   * Rejects with a coded error, `retryable` when the same call may succeed later; rejects with the signal's reason,
   * having sent nothing, when it is aborted before it starts.
   */
  send(message: Readonly<RenderedEmail>, context: SendContext): Promise<SendReceipt>;
  /** Takes up to 100 messages over in one round trip; one answer each, in their order. Absent where there is no such call. */
  sendBatch?(
    messages: readonly Readonly<RenderedEmail>[],
    contexts: readonly SendContext[],
  ): Promise<readonly BatchReceipt[]>;
  /** Resolves when a message could be sent now, after a real round trip; rejects with a coded error otherwise. */
  check(signal: AbortSignal): Promise<void>;
  /** Releases connections and timers. Idempotent. */
  close(): Promise<void>;
}
