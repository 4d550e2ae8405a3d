// The waterfall of a trace: a tree of steps, each with a bar that shows when it ran. By keyboard it
// works like every tree (https://www.w3.org/WAI/ARIA/apg/patterns/treeview/).

import { useMemo, useRef, useState } from 'preact/hooks';
import type { Trace } from '../../api/model.ts';
import { duration } from '../../i18n/format.ts';
import { words } from '../../i18n/words.ts';
import { Button } from '../../parts/button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Notice } from '../../parts/notice.tsx';
import { TraceLink } from './trace-link.tsx';
import { closedAtFirst, type Row, rowsOf, type Scale, scaleOf, sizeOf, treesOf } from './waterfall.ts';

const time = (micros: number) => duration(micros / 1000);
/** A gap has a label of its own if it is this far from the label before it, as a part of the width. */
const LABEL_SPACE = 0.14;
/** The number of gaps whose lengths are listed above the trace. */
const LISTED_GAPS = 5;

export function Waterfall({ trace: { traceID, sampled, spans, truncated } }: { trace: Trace }) {
  const { trace: say } = words();
  const { roots, scale, errors } = useMemo(() => ({ roots: treesOf(spans), scale: scaleOf(spans), errors: spans.filter(({ error }) => error !== undefined).length }), [spans]);
  const [closed, setClosed] = useState<ReadonlySet<string>>(() => closedAtFirst(roots, spans.length));
  const rows = useMemo(() => rowsOf(roots, closed), [roots, closed]);
  const [current, setCurrent] = useState<string | null>(null);
  const tree = useRef<HTMLUListElement>(null);

  const setOpen = (id: string, isOpen: boolean) => {
    const changed = new Set(closed);
    if (isOpen) changed.delete(id);
    else changed.add(id);
    setClosed(changed);
  };
  const focus = (id: string | undefined) => {
    if (id === undefined) return;
    setCurrent(id);
    tree.current?.querySelector<HTMLElement>(`[data-span="${CSS.escape(id)}"]`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const at = rows.findIndex(({ node }) => node.span.id === (current ?? rows[0]?.node.span.id));
    const row = rows[at];
    if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
    const { span, children } = row.node;
    const isOpen = !closed.has(span.id);
    const actions: Record<string, () => void> = {
      ArrowDown: () => focus(rows[at + 1]?.node.span.id),
      ArrowUp: () => focus(rows[at - 1]?.node.span.id),
      ArrowRight: () => (children.length === 0 ? undefined : isOpen ? focus(rows[at + 1]?.node.span.id) : setOpen(span.id, true)),
      ArrowLeft: () => (children.length > 0 && isOpen ? setOpen(span.id, false) : focus(rows.slice(0, at).findLast(({ level }) => level < row.level)?.node.span.id)),
      Home: () => focus(rows[0]?.node.span.id),
      End: () => focus(rows.at(-1)?.node.span.id),
      Enter: () => children.length > 0 && setOpen(span.id, !isOpen),
      ' ': () => children.length > 0 && setOpen(span.id, !isOpen),
      '*': () => setClosed(new Set()),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  const collapseAll = () => setClosed(new Set(spans.map(({ id }) => id)));
  const tabStop = rows.some(({ node }) => node.span.id === current) ? current : rows[0]?.node.span.id;
  return (
    <div class="waterfall">
      {!sampled && <Notice tone="attention">{say.errorsOnly}</Notice>}
      {truncated && <Notice tone="attention">{say.truncated}</Notice>}
      <div class="d-flex flex-wrap align-items-center gap-2 mb-2">
        <span class="me-auto">
          {say.spans(spans.length)} {say.lasted(time(scale.micros))}
          {errors > 0 && (
            <span class="tone tone-bad ms-2">
              <Icon name="cross" />
              {say.errors(errors)}
            </span>
          )}
        </span>
        <TraceLink traceID={traceID} />
        <Button onClick={() => setClosed(new Set())}>{say.expandAll}</Button>
        <Button onClick={collapseAll}>{say.collapseAll}</Button>
      </div>
      <p class="quiet mb-2" id="trace-keys">
        {say.keys}
        {scale.gaps.length > 0 && (
          <>
            {' '}
            {say.gaps} <span class="shortened-key" /> {scale.gaps.slice(0, LISTED_GAPS).map(({ micros }) => time(micros)).join(', ')}
            {scale.gaps.length > LISTED_GAPS && '…'}
          </>
        )}
      </p>
      <Ruler scale={scale} />
      <ul class="plain" role="tree" aria-labelledby="trace-title" aria-describedby="trace-keys" ref={tree} onKeyDown={onKeyDown}>
        {rows.map((row) => (
          <Step
            key={row.node.span.id}
            row={row}
            scale={scale}
            isOpen={!closed.has(row.node.span.id)}
            isTabStop={row.node.span.id === tabStop}
            onFocus={() => setCurrent(row.node.span.id)}
            onToggle={() => row.node.children.length > 0 && setOpen(row.node.span.id, closed.has(row.node.span.id))}
          />
        ))}
      </ul>
    </div>
  );
}

/** The scale above the bars: its start, its end, and what is shortened. */
function Ruler({ scale }: { scale: Scale }) {
  const { trace: say } = words();
  let labelled = -1;
  return (
    <div class="ruler">
      <span class="scale quiet">
        <span>0</span>
        {scale.gaps.map(({ from, until, micros }) => {
          const middle = (from + until) / 2;
          const hasLabel = middle - labelled >= LABEL_SPACE && middle > LABEL_SPACE / 2;
          if (hasLabel) labelled = middle;
          return (
            <span key={from} class="shortened" style={{ left: percent(from), width: percent(until - from) }} title={say.gap(time(micros))}>
              {hasLabel && <span class={`label ${until > 0.85 ? 'at-end' : ''}`}>{time(micros)}</span>}
            </span>
          );
        })}
      </span>
    </div>
  );
}

interface StepProps {
  row: Row;
  scale: Scale;
  isOpen: boolean;
  isTabStop: boolean;
  onFocus: () => void;
  onToggle: () => void;
}

function Step({ row: { node, level, position, siblings }, scale, isOpen, isTabStop, onFocus, onToggle }: StepProps) {
  const { trace: say } = words();
  const { span, children } = node;
  const [from, until] = [scale.at(span.startMicros), scale.at(span.startMicros + span.durationMicros)];
  const part = say.parts[span.part] ?? span.part;
  return (
    <li
      role="treeitem"
      tabIndex={isTabStop ? 0 : -1}
      aria-level={level}
      aria-posinset={position}
      aria-setsize={siblings}
      aria-expanded={children.length > 0 ? isOpen : undefined}
      data-span={span.id}
      data-part={span.part}
      class={span.error === undefined ? '' : 'failed'}
      onFocus={onFocus}
      onClick={onToggle}
    >
      <span class="step" style={{ '--level': String(level - 1) }}>
        <span class={`turn ${children.length === 0 ? 'none' : isOpen ? 'open' : ''}`} />
        <span class="part-name">{part}</span>
        <span class="name" title={span.name}>
          {span.name}
        </span>
        {span.attempt !== undefined && <span class="quiet">{say.attempt(span.attempt)}</span>}
        {children.length > 0 && !isOpen && <span class="quiet">{say.hidden(sizeOf(node))}</span>}
      </span>
      <span class="bars">
        {scale.gaps.map((gap) => (
          <span key={gap.from} class="shortened" style={{ left: percent(gap.from), width: percent(gap.until - gap.from) }} />
        ))}
        <span class="bar" style={{ left: percent(from), width: percent(until - from) }} />
        <span class={`took number ${from > 0.6 ? 'before' : ''}`} style={from > 0.6 ? { right: percent(1 - from) } : { left: percent(until > 0.75 ? from : until) }}>
          {time(span.durationMicros)}
        </span>
      </span>
      <span class="visually-hidden">{say.after(time(span.startMicros))}</span>
      {span.error !== undefined && (
        <span class="why">
          <Icon name="cross" />
          <span class="visually-hidden">{say.error('')}</span>
          {span.error}
        </span>
      )}
    </li>
  );
}

const percent = (part: number) => `${(part * 100).toFixed(3)}%`;
