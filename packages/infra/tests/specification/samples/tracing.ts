import { startSpan, endSpan, setSpanAttributes } from '@vibeonrails/infra/monitoring';

const span = startSpan('handle-request');
setSpanAttributes(span.spanId, { method: 'GET', url: '/api/users' });
// ... do work ...
endSpan(span.spanId);
