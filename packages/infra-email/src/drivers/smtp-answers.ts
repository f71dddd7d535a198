import { messageOf } from '../core.ts';
import { type DeliveryCode, DeliveryError } from '../delivery-errors.ts';
import type { Outcome } from './attempts.ts';
import { quote } from './quote.ts';

/** What nodemailer throws, as far as it is read. */
interface SmtpError {
  readonly code?: string;
  /** The code underneath, such as ECONNREFUSED. */
  readonly originalCode?: string;
  readonly responseCode?: number;
}

const CERTIFICATE = /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO$/;

/** What a failure means. `begun`: the message itself was on its way to the server, or may have been. */
export function smtpFailure(
  thrown: unknown,
  begun: boolean,
  password: string | undefined,
): Extract<Outcome<never>, { error: Error }> {
  const { responseCode: status } = (thrown ?? {}) as SmtpError;
  const { code, again } = judge((thrown ?? {}) as SmtpError, messageOf(thrown), begun);
  const said = quote(messageOf(thrown), password);
  const problem =
    begun && code === 'E_EMAIL_UNKNOWN_OUTCOME' ? `The connection ended while sending: ${said}` : said;
  return { error: new DeliveryError(code, `SMTP: ${problem}`, { status }), again };
}

function judge(error: SmtpError, message: string, begun: boolean): { code: DeliveryCode; again: boolean } {
  const { code, originalCode = '', responseCode: status } = error;
  // 421 is a server that is going down: another one may stand in for it. Any other 4xx means later, not now.
  if (status !== undefined && status >= 400 && status < 500)
    return { code: 'E_EMAIL_UNAVAILABLE', again: status === 421 };
  const lost = message.startsWith('Connection closed');
  if (CERTIFICATE.test(originalCode) || CERTIFICATE.test(code ?? '') || (code === 'ETLS' && !lost))
    return { code: 'E_EMAIL_TLS', again: false };
  if (code === 'EAUTH' || code === 'ENOAUTH' || status === 530 || status === 535)
    return { code: 'E_EMAIL_AUTH', again: false };
  if (status !== undefined || code === 'EENVELOPE' || code === 'EMESSAGE')
    return { code: 'E_EMAIL_REJECTED', again: false };
  if (begun) return { code: 'E_EMAIL_UNKNOWN_OUTCOME', again: false };
  return { code: 'E_EMAIL_UNAVAILABLE', again: true };
}
