//! Shortening text that people wrote.

use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;

/// Marks the end of a shortened text.
const ELLIPSIS: char = '…';

/// Shortens `text` to at most `max_chars` characters (Unicode code points). All length limits count
/// characters in this way.
///
/// A text that is too long ends at a word boundary with `…`, which counts as one character. If
/// that would remove more than half of the permitted length, the text ends inside a word. It never
/// ends inside a grapheme, such as an emoji of several code points or a letter with its accents.
#[must_use]
pub fn shorten(text: &str, max_chars: usize) -> Cow<'_, str> {
    if text.chars().nth(max_chars).is_none() {
        return Cow::Borrowed(text);
    }
    let Some(room) = max_chars.checked_sub(1) else { return Cow::Borrowed("") };
    let (words, graphemes) = (fitting(text.split_word_bounds(), room), fitting(text.graphemes(true), room));
    // The word segments include the spaces and punctuation between words.
    let words = text[..words].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '-' | '–' | '—' | '('));
    let kept = if words.chars().count() * 2 >= room { words } else { text[..graphemes].trim_end() };
    Cow::Owned(format!("{kept}{ELLIPSIS}"))
}

/// The length in bytes of the leading segments that together have at most `room` characters.
fn fitting<'a>(segments: impl Iterator<Item = &'a str>, mut room: usize) -> usize {
    let fits = |segment: &&str| match room.checked_sub(segment.chars().count()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    segments.take_while(fits).map(str::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_text_stays_as_it_is() {
        for text in ["", "a", "12345", "ещё"] {
            assert_eq!(shorten(text, 5), text);
        }
    }

    #[test]
    fn a_long_text_ends_at_a_word() {
        assert_eq!(shorten("the card was declined by its bank", 20), "the card was…");
        assert_eq!(shorten("the card was declined", 13), "the card was…");
        assert_eq!(shorten("out of stock, sadly", 15), "out of stock…");
        assert_eq!(shorten("карта отклонена банком", 17), "карта отклонена…");
    }

    #[test]
    fn a_long_word_ends_at_a_grapheme() {
        assert_eq!(shorten("abcdefghij", 5), "abcd…");
        // Without spaces, each ideograph is a word.
        assert_eq!(shorten("商品已售罄请稍后", 5), "商品已售…");
        // Graphemes of several code points: a family (5), a flag (2), and a letter with an accent
        // (2).
        assert_eq!(shorten("👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧", 13), "👨‍👩‍👧👨‍👩‍👧…");
        assert_eq!(shorten("🇩🇪🇩🇪🇩🇪", 4), "🇩🇪…");
        assert_eq!(shorten("e\u{301}e\u{301}e\u{301}", 4), "e\u{301}…");
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        assert_eq!(shorten("👨‍👩‍👧👨‍👩‍👧", 4), "…");
        assert_eq!((shorten("ab", 1), shorten("ab", 0)), ("…".into(), "".into()));
    }

    proptest! {
        #[test]
        fn it_fits_and_is_a_start_of_the_text(text in "(\\PC|👨‍👩‍👧|🇩🇪|e\u{301}| ){0,40}", max_chars in 0_usize..30) {
            let short = shorten(&text, max_chars);
            prop_assert!(short.chars().count() <= max_chars);
            if short != text {
                let kept = short.trim_end_matches(ELLIPSIS);
                prop_assert!(text.starts_with(kept));
                let boundaries: Vec<_> = text.grapheme_indices(true).map(|(at, _)| at).collect();
                prop_assert!(kept.is_empty() || boundaries.contains(&kept.len()));
            }
        }
    }
}
