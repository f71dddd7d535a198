import { tenth, all } from './modules/monitoring/tracing-http.ts';
for (const b of [all, tenth]) for (let i=0;i<3;i++) { const o=await b.ours(); const t=await Object.values(b.peers)[0]!(); console.log(b.case, o.toFixed(1), t.toFixed(1), (o/t).toFixed(2)); }
