const MAX_CAUSES = 5;
const MAX_ERRORS = 10;

/** An error as the fields of a log line: type, message, stack with those of its causes, and what hangs on it. */
export function errorFields(error: Error): Record<string, unknown> {
  const { name, message, stack: _, cause: __, ...own } = error;
  const { errors } = error as { errors?: unknown };
  return {
    type: error.constructor?.name || name,
    message,
    stack: stackOf(error),
    ...(Array.isArray(errors) ? { errors: errors.slice(0, MAX_ERRORS) } : {}),
    ...own,
  };
}

function stackOf(error: Error): string {
  const stacks: string[] = [];
  for (let at: unknown = error; at instanceof Error && stacks.length < MAX_CAUSES; at = at.cause)
    stacks.push(at.stack ?? `${at.name}: ${at.message}`);
  return stacks.join('\ncaused by: ');
}
