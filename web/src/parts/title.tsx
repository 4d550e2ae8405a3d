import { useEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { words } from '../i18n/words.ts';

let isFirst = true;

interface Props {
  /** Of the window; also what the heading says unless it has children. */
  text: string;
  children?: ComponentChildren;
  class?: string;
}

/** A view's heading. After a change of views it takes the focus, so that keyboard and screen reader start at the new one. */
export function Title({ text, children, class: classes = 'mb-3' }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!isFirst) heading.current?.focus({ preventScroll: true });
    isFirst = false;
  }, []);
  useEffect(() => {
    document.title = `${text} – ${words().title}`;
  }, [text]);
  return (
    <h1 class={classes} tabIndex={-1} ref={heading}>
      {children ?? text}
    </h1>
  );
}
