import { useEffect, useRef } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { words } from '../i18n/words.ts';

let isFirst = true;

interface Props {
  /** The title of the window. Also the text of the heading, unless there are children. */
  text: string;
  children?: ComponentChildren;
  class?: string;
}

/**
 * The heading of a view. It takes the focus when the view changes, so that keyboard users and
 * screen readers start at the new view.
 */
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
