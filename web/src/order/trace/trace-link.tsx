import { getConfig } from '../../config.ts';
import { words } from '../../i18n/words.ts';
import { Icon } from '../../parts/icon.tsx';

/** A link to the trace in the tool that keeps it, if there is one. */
export function TraceLink({ traceID }: { traceID: string }) {
  const { trace: link } = getConfig().links;
  if (!link) return null;
  // X-Ray writes the same id as 1-XXXXXXXX-XXXXXXXXXXXXXXXXXXXXXXXX.
  const xrayID = `1-${traceID.slice(0, 8)}-${traceID.slice(8)}`;
  const address = link.replace('{traceID}', encodeURIComponent(traceID)).replace('{xrayTraceID}', encodeURIComponent(xrayID));
  return (
    <a class="btn btn-link" href={address} target="_blank" rel="noreferrer">
      {words().trace.elsewhere}
      <Icon name="outside" />
    </a>
  );
}
