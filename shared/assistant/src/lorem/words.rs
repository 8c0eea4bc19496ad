//! The words of lorem ipsum, drawn from a seed.

/// The first words of every reply; the rest is drawn at random.
const OPENING: [&str; 5] = ["Lorem", "ipsum", "dolor", "sit", "amet,"];

const WORDS: &str = "ad adipiscing aliqua aliquip anim aute cillum commodo consectetur consequat \
    culpa cupidatat deserunt do dolore duis ea eiusmod elit enim esse est eu ex excepteur \
    exercitation fugiat id in incididunt irure labore laboris magna minim mollit nisi nostrud \
    nulla occaecat officia pariatur proident quis \
    sunt tempor ullamco veniam";

/// The words of a reply, each with the white space before it. They form sentences of 4 to 13 words,
/// with a comma now and then.
pub(super) fn words(seed: u64) -> Vec<String> {
    let vocabulary: Vec<_> = WORDS.split(' ').collect();
    let mut draw = SplitMix::new(seed);
    let length = 50 + draw.below(71);
    let mut left_in_sentence = OPENING.len() + 3 + draw.below(6);
    let mut begins = false;
    (0..length)
        .map(|position| {
            let word = OPENING
                .get(position)
                .copied()
                .unwrap_or_else(|| vocabulary[draw.below(vocabulary.len())]);
            let word = if begins { capitalised(word) } else { word.to_owned() };
            left_in_sentence -= 1;
            let ends = left_in_sentence == 0 || position + 1 == length;
            let mark = match () {
                () if ends => ".",
                () if position >= OPENING.len() && left_in_sentence > 1 && draw.below(8) == 0 => {
                    ","
                }
                () => "",
            };
            if ends {
                left_in_sentence = 4 + draw.below(10);
            }
            begins = ends;
            format!("{}{word}{mark}", if position == 0 { "" } else { " " })
        })
        .collect()
}

/// A few words that begin like a sentence, without a mark at their end.
pub(super) fn phrase(draw: &mut SplitMix) -> String {
    let count = 3 + draw.below(6);
    let words: Vec<_> = (0..count).map(|_| word(draw)).collect();
    capitalised(&words.join(" "))
}

/// One word.
pub(super) fn word(draw: &mut SplitMix) -> &'static str {
    let vocabulary: Vec<_> = WORDS.split(' ').collect();
    vocabulary[draw.below(vocabulary.len())]
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

/// A seed from an id. FNV-1a gives the same seed on every machine and in every version of the
/// standard library.
pub(super) fn seed_of(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The generator `SplitMix64`: small, and good enough for words.
pub(super) struct SplitMix(u64);

impl SplitMix {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A whole number below this one.
    #[allow(clippy::cast_possible_truncation, reason = "the remainder is below a usize")]
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_is_50_to_120_words_in_sentences() {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..2_000 {
            let text = words(seed).concat();
            let count = text.split(' ').count();
            lengths.insert(count);
            assert!((50..=120).contains(&count), "{seed}: {count}");
            assert!(
                text.starts_with("Lorem ipsum dolor sit amet, ") && text.ends_with('.'),
                "{text}"
            );
            for sentence in text.trim_end_matches('.').split(". ") {
                assert!(
                    sentence.starts_with(|c: char| c.is_ascii_uppercase())
                        && !sentence.ends_with(','),
                    "{text}"
                );
            }
        }
        assert_eq!(lengths.len(), 71, "every length comes up");
    }
}
