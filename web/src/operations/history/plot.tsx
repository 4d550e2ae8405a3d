// Draws a chart with uPlot, and lets people read its values: with the mouse, with a finger, or with
// the arrow keys. Screen readers announce it as a slider whose value is what the lines show at one
// time.

import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { chartTime, time as formatTime } from '../../i18n/format.ts';
import { language } from '../../i18n/language.ts';
import { words } from '../../i18n/words.ts';
import type { Chart } from './charts.ts';

const HEIGHT = 190;
/** Lines differ in their dashes, too, for people who do not see the colours. */
const DASHES: number[][] = [[], [6, 3], [2, 3], [9, 3, 2, 3]];
/** The variables of the style sheet for the colours of the lines, the text and the grid. */
const COLOURS = { lines: ['--line-1', '--line-2', '--line-3', '--line-4'], text: '--bs-secondary-color', grid: '--edge' };

/** The marks of a logarithmic scale of durations: 1, 10 and 100 ms, 1 and 10 s, and so on. */
const LONGEST_MS = 8_640_000_000;
const MARKS_MS = [1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000, 86_400_000, 864_000_000, LONGEST_MS];

interface Props {
  chart: Chart;
  /** When each bucket begins, in seconds since 1970. */
  times: number[];
  bucketSeconds: number;
}

export function Plot({ chart, times, bucketSeconds }: Props) {
  const { history: say } = words().operations;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  /** The position that is read off; null if it is the last one. */
  const [at, setAt] = useState<number | null>(null);
  const scheme = useColourScheme();
  const data = drawnFrom(chart, times, bucketSeconds);

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const drawn = new uPlot(optionsOf(element, chart, bucketSeconds, (at) => setAt(at === null ? null : Math.min(at, times.length - 1))), data, element);
    plot.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      drawn.destroy();
    };
    // Texts and colours are fixed when the chart is made; data can be replaced.
  }, [scheme, language.value, chart.id, chart.title, bucketSeconds]);
  useEffect(() => plot.current?.setData(data), [times[0], times.at(-1), JSON.stringify(data.slice(1))]);

  const last = times.length - 1;
  const read = at ?? last;
  const move = (to: number) => {
    const drawn = plot.current;
    const time = times[Math.min(last, Math.max(0, to))];
    if (drawn && time !== undefined) drawn.setCursor({ left: drawn.valToPos(time, 'x'), top: HEIGHT / 2 });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -last, End: last };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move(at === null && Math.abs(step) === 1 ? last : read + step);
  };
  const texts = chart.lines.map(({ name, values }) => {
    const value = values[read] ?? null;
    return { name, text: value === null ? say.unknown : chart.format(value) };
  });
  const readAt = formatTime(new Date((times[read] ?? 0) * 1000).toISOString());
  return (
    <>
      <ul class="plain legend">
        {texts.map(({ name, text }, n) => (
          <li key={name}>
            <Sample n={n} />
            {name} <span class="number fw-bold">{text}</span>
          </li>
        ))}
        <li class="number quiet">{readAt}</li>
      </ul>
      <div
        class="plot"
        ref={place}
        role="slider"
        tabIndex={0}
        aria-label={say.valuesOf(chart.title)}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={read}
        aria-valuetext={`${readAt}: ${texts.map(({ name, text }) => `${name} ${text}`).join(', ')}`}
        onKeyDown={onKeyDown}
        onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
      />
    </>
  );
}

/**
 * The points of the lines: the value of each bucket at its beginning, and the last known value also
 * at the end of its bucket.
 */
function drawnFrom({ lines }: Chart, times: number[], bucketSeconds: number): uPlot.AlignedData {
  const points = lines.map(({ values }) => {
    const last = values.findLastIndex((value) => value !== null);
    return [...values, null].map((value, n) => (n === last + 1 && last >= 0 ? (values[last] ?? null) : value));
  });
  return [[...times, (times.at(-1) ?? 0) + bucketSeconds], ...points];
}

/** A piece of the line, for the legend. */
function Sample({ n }: { n: number }) {
  return (
    <svg class="sample" viewBox="0 0 24 8" aria-hidden="true">
      <path d="M0 4h24" fill="none" style={{ stroke: `var(${COLOURS.lines[n]})` }} stroke-width="3" stroke-dasharray={DASHES[n]?.join(' ')} />
    </svg>
  );
}

function optionsOf(element: HTMLElement, chart: Chart, bucketSeconds: number, onRead: (at: number | null) => void): uPlot.Options {
  const styles = getComputedStyle(element);
  const colour = (name: string) => styles.getPropertyValue(name).trim();
  const axis: uPlot.Axis = { stroke: colour(COLOURS.text), grid: { stroke: colour(COLOURS.grid), width: 1 }, ticks: { show: false }, font: `12px ${styles.fontFamily}` };
  const stepped = uPlot.paths.stepped;
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 30, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 7 }, y: false },
    scales: {
      x: { time: true },
      y: chart.isLogarithmic
        ? { distr: 3, range: (_, least, most) => [MARKS_MS.findLast((mark) => mark <= (least ?? 1)) ?? 1, MARKS_MS.find((mark) => mark >= (most ?? 1000)) ?? LONGEST_MS] }
        : { range: (_, _least, most) => [0, Math.max(1, most ?? 1) * 1.1] },
    },
    axes: [
      { ...axis, values: (_, times) => times.map((time) => chartTime(time, bucketSeconds >= 900)), size: 30, space: bucketSeconds >= 900 ? 100 : 70 },
      {
        ...axis,
        values: (_, values) => values.map((value) => chart.format(value)),
        size: (_, values) => widthOf(values),
        space: 34,
        ...(chart.isLogarithmic && { splits: (_: uPlot, _axis: number, least: number, most: number) => MARKS_MS.filter((mark) => mark >= least && mark <= most), filter: (_: uPlot, marks: number[]) => marks }),
      },
    ],
    series: [
      {},
      ...chart.lines.map((_, n) => ({
        stroke: colour(COLOURS.lines[n] ?? ''),
        width: 2,
        dash: DASHES[n] ?? [],
        points: { show: false },
        // A value is that of the whole bucket, so a bucket between two gaps is visible, too.
        ...(stepped && { paths: stepped({ align: 1, alignGaps: 1 }) }),
      })),
    ],
    hooks: { setCursor: [(drawn) => onRead(drawn.cursor.idx ?? null)] },
  };
}

/** The space for the longest mark of a scale. */
function widthOf(marks: string[] | null): number {
  return 18 + 7 * Math.max(2, ...(marks ?? []).map((mark) => mark.length));
}

/** The colour scheme of the system. The colours of a canvas do not change by themselves. */
function useColourScheme(): boolean {
  const [query] = useState(() => matchMedia('(prefers-color-scheme: dark)'));
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const changed = () => setDark(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, [query]);
  return isDark;
}
