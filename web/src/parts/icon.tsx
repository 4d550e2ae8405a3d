// The icons of the page, in the colour of the text. They only repeat what the text beside them
// says.

const PATHS = {
  check: 'M5 12.5l4.5 4.5L19 7.5',
  cross: 'M6.5 6.5l11 11M17.5 6.5l-11 11',
  clock: 'M12 7v5l3.5 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z',
  alert: 'M12 8v5M12 16.5v.01M12 3.5l9 16H3l9-16z',
  cart: 'M3 4h2.5l2.2 11h10l2-8H6.6M9 20a1 1 0 1 0 0-2 1 1 0 0 0 0 2zM17 20a1 1 0 1 0 0-2 1 1 0 0 0 0 2z',
  box: 'M12 3l8 4.5v9L12 21l-8-4.5v-9L12 3zM4.2 7.6L12 12l7.8-4.4M12 12v9',
  arrow: 'M5 12h14M13 6l6 6-6 6',
  outside: 'M9 6h9v9M18 6L7 17',
  refresh: 'M19 12a7 7 0 1 1-2-4.9L19 9M19 4v5h-5',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
