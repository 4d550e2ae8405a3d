// A trace as a waterfall: the tree of its spans, and a scale of time on which a trace of days stays
// readable. This module uses no DOM.

import type { Span } from '../../api/model.ts';

export interface Node {
  span: Span;
  children: Node[];
}

/** A visible line of the tree. */
export interface Row {
  node: Node;
  /** 1 for a span without a parent. */
  level: number;
  /** The position among the children of the same parent, from 1. */
  position: number;
  siblings: number;
}

/**
 * The spans as trees, in the sequence of their starts. A span whose parent is not in the trace, as
 * in a truncated trace, has no parent.
 */
export function treesOf(spans: Span[]): Node[] {
  const nodes = new Map(spans.map((span) => [span.id, { span, children: [] as Node[] }]));
  const roots: Node[] = [];
  for (const node of nodes.values()) {
    const parent = node.span.parentID === undefined ? undefined : nodes.get(node.span.parentID);
    (parent && !isWithin(parent, node, nodes) ? parent.children : roots).push(node);
  }
  const byStart = (a: Node, b: Node) => a.span.startMicros - b.span.startMicros;
  for (const { children } of nodes.values()) children.sort(byStart);
  return roots.sort(byStart);
}

/** Whether following the parents of `node` leads to `ancestor`. Such spans cannot form a tree. */
function isWithin(node: Node, ancestor: Node, nodes: Map<string, Node>): boolean {
  const seen = new Set<Node>();
  for (let at: Node | undefined = node; at && !seen.has(at); at = nodes.get(at.span.parentID ?? '')) {
    if (at === ancestor) return true;
    seen.add(at);
  }
  return false;
}

/** The lines of the trees that are visible while these spans are closed. */
export function rowsOf(roots: Node[], closed: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  const add = (nodes: Node[], level: number) => {
    nodes.forEach((node, n) => {
      rows.push({ node, level, position: n + 1, siblings: nodes.length });
      if (!closed.has(node.span.id)) add(node.children, level + 1);
    });
  };
  add(roots, 1);
  return rows;
}

/** The number of spans within a span. */
export const sizeOf = ({ children }: Node): number => children.reduce((sum, child) => sum + 1 + sizeOf(child), 0);

const hasError = ({ span, children }: Node): boolean => span.error !== undefined || children.some(hasError);

/** The most lines that a trace shows at first. */
const SHOWN_AT_FIRST = 100;

/** The spans that are closed at first: in a long trace, all below the first level except errors. */
export function closedAtFirst(roots: Node[], count: number): Set<string> {
  const closed = new Set<string>();
  const close = (node: Node, level: number) => {
    if (level > 1 && node.children.length > 0 && !node.children.some(hasError)) closed.add(node.span.id);
    for (const child of node.children) close(child, level + 1);
  };
  if (count > SHOWN_AT_FIRST) for (const root of roots) close(root, 1);
  return closed;
}

export interface Scale {
  /** The position of a time on the scale, from 0 to 1. */
  at: (micros: number) => number;
  /** Times in which no step begins or ends. They are shown shorter than they were. */
  gaps: { from: number; until: number; micros: number }[];
  /** The length of the trace. */
  micros: number;
}

/** A time without a step is shortened if it is longer than this and than all that is not. */
const SHORTENED_MICROS = 1_000_000;
/** A time in which a step works, such as a slow call, is shortened only if it dwarfs the rest. */
const WORK_SHORTENED_MICROS = 60_000_000;
const WORK_SHORTENED_RATIO = 20;
/** The width of a shortened time, and of all of them together. */
const GAP = 0.05;
const GAPS = 0.4;

export function scaleOf(spans: Span[]): Scale {
  const end = ({ startMicros, durationMicros }: Span) => startMicros + durationMicros;
  const points = [...new Set(spans.flatMap((span) => [span.startMicros, end(span)]))].sort((a, b) => a - b);
  const [first = 0] = points;
  const last = points.at(-1) ?? first;
  const lengths = points.slice(1).map((point, n) => point - (points[n] ?? point));
  const works = worksBetween(points, spans);

  // The segments that keep their length are found from the shortest to the longest.
  const shortened = new Set<number>();
  let kept = 0;
  for (const n of [...lengths.keys()].sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0))) {
    const length = lengths[n] ?? 0;
    const limit = works[n] ? Math.max(WORK_SHORTENED_MICROS, WORK_SHORTENED_RATIO * kept) : Math.max(SHORTENED_MICROS, kept);
    if (length > limit) shortened.add(n);
    else kept += length;
  }
  const gap = kept === 0 ? 1 / Math.max(1, shortened.size) : Math.min(GAP, GAPS / Math.max(1, shortened.size));
  const unit = kept === 0 ? 0 : (1 - gap * shortened.size) / kept;

  const positions = [0];
  const gaps: Scale['gaps'] = [];
  lengths.forEach((length, n) => {
    const from = positions[n] ?? 0;
    const until = from + (shortened.has(n) ? gap : length * unit);
    positions.push(until);
    if (shortened.has(n)) gaps.push({ from, until, micros: length });
  });
  const at = (micros: number) => {
    let [low, high] = [0, points.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((points[middle] ?? 0) <= micros) low = middle;
      else high = middle;
    }
    const [from = 0, until = 0] = [points[low], points[high]];
    const part = until === from ? 0 : Math.min(1, Math.max(0, (micros - from) / (until - from)));
    return (positions[low] ?? 0) + part * ((positions[high] ?? 0) - (positions[low] ?? 0));
  };
  return { at, gaps, micros: last - first };
}

/** Whether a span without children covers the time between each point and the next. */
function worksBetween(points: number[], spans: Span[]): boolean[] {
  const parents = new Set(spans.map(({ parentID }) => parentID));
  const index = new Map(points.map((point, n) => [point, n]));
  const changes = new Array<number>(points.length).fill(0);
  for (const { id, startMicros, durationMicros } of spans) {
    if (parents.has(id)) continue;
    const [from, until] = [index.get(startMicros) ?? 0, index.get(startMicros + durationMicros) ?? 0];
    changes[from] = (changes[from] ?? 0) + 1;
    changes[until] = (changes[until] ?? 0) - 1;
  }
  let open = 0;
  return changes.slice(0, -1).map((change) => (open += change) > 0);
}
