//! Non-determinism that a protocol asks for and a driver answers.

/// Mixes a word so that every input bit moves every output bit (the finaliser of SplitMix64, Steele,
/// Lea and Flood 2014). Frozen: seeds recorded in scenarios depend on it.
pub const fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A counter-based random stream: the value drawn depends on key and counter alone, never on how many
/// values anything else drew. Deleting one event of a run leaves the draws of all others as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// What it is keyed by; mixed only when something is drawn, because many streams are never drawn from.
    name: u64,
    counter: u64,
}

impl Stream {
    /// The stream of `seed` for one purpose (`label`) and one event.
    pub const fn new(seed: u64, label: u64, event: u64) -> Self {
        Stream::of(Purpose::new(seed, label), event)
    }

    /// The stream of one event, of those that [`Stream::new`] makes of one seed for one purpose.
    #[inline]
    pub const fn of(purpose: Purpose, event: u64) -> Self {
        Stream { name: purpose.0 ^ event, counter: 0 }
    }

    /// The next 64 random bits.
    pub const fn draw(&mut self) -> u64 {
        self.counter += 1;
        mix(mix(self.name) ^ mix(self.counter))
    }

    /// A value below `n`, by the high half of a product (Lemire 2019, without the rejection step: the
    /// bias is at most n / 2⁶⁴).
    ///
    /// # Panics
    /// If `n` is 0.
    pub const fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "no value is below 0");
        ((self.draw() as u128 * n as u128) >> 64) as u64
    }

    /// A value in `min..=max`.
    ///
    /// # Panics
    /// If `min > max`, or if the range is all of `u64`.
    pub const fn between(&mut self, min: u64, max: u64) -> u64 {
        assert!(min <= max, "the range is empty");
        min + self.below(max - min + 1)
    }

    /// Whether an event of probability `per_million / 1 000 000` happens.
    pub const fn happens(&mut self, per_million: u32) -> bool {
        self.below(1_000_000) < per_million as u64
    }
}

/// What all streams of one seed for one purpose have in common: whoever draws for many events keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purpose(u64);

impl Purpose {
    /// The purpose called `label` of `seed`.
    pub const fn new(seed: u64, label: u64) -> Self {
        Purpose(mix(mix(seed) ^ label))
    }
}

/// Who answers when a protocol asks for one of `n` ways to go on.
#[derive(Clone, Debug)]
pub enum Choices {
    /// A counter-based generator: simulator and runtime.
    Seed(Stream),
    /// The same answers, noted for a trace.
    Noted {
        /// The generator.
        stream: Stream,
        /// The answers given, each with the number of ways.
        answers: Vec<(u32, u32)>,
    },
    /// One byte per question, 0 once they are used up: fuzzer.
    Bytes {
        /// The answers, each taken modulo the number of ways.
        bytes: Vec<u8>,
        /// How many bytes are used.
        used: usize,
    },
    /// Fixed answers in order: scenario files and replays. A question beyond the script is answered by
    /// 0 and remembered as unanswered.
    Script {
        /// The answers.
        answers: Vec<u32>,
        /// How many answers are used.
        used: usize,
        /// The first question that the script had no answer for.
        unanswered: Option<(&'static str, u32)>,
    },
}

impl Choices {
    /// Answers by a generator.
    pub const fn seed(stream: Stream) -> Self {
        Choices::Seed(stream)
    }

    /// Answers as [`Choices::seed`] does, and notes them.
    pub const fn noted(stream: Stream) -> Self {
        Choices::Noted { stream, answers: Vec::new() }
    }

    /// Answers by bytes.
    pub const fn bytes(bytes: Vec<u8>) -> Self {
        Choices::Bytes { bytes, used: 0 }
    }

    /// Answers by a script. With the empty script this is the fourth answer, *all*: the checker runs a
    /// step, sees [`Choices::unanswered`], discards the step, and tries it again with the script
    /// extended by each of the `n` answers in turn.
    pub const fn script(answers: Vec<u32>) -> Self {
        Choices::Script { answers, used: 0, unanswered: None }
    }

    /// Answers the question `label` with a value below `n`.
    ///
    /// # Panics
    /// If `n` is 0, or if a script holds an answer that is not below `n`.
    pub fn choose(&mut self, label: &'static str, n: u32) -> u32 {
        assert!(n > 0, "{label}: a choice needs at least one way");
        match self {
            Choices::Seed(stream) => stream.below(u64::from(n)) as u32,
            Choices::Noted { stream, answers } => {
                let answer = stream.below(u64::from(n)) as u32;
                answers.push((answer, n));
                answer
            }
            Choices::Bytes { bytes, used } => match bytes.get(*used) {
                Some(byte) => {
                    *used += 1;
                    u32::from(*byte) % n
                }
                None => 0,
            },
            Choices::Script { answers, used, unanswered } => match answers.get(*used) {
                Some(answer) => {
                    assert!(*answer < n, "{label}: the script answers {answer} of {n} ways");
                    *used += 1;
                    *answer
                }
                None => {
                    unanswered.get_or_insert((label, n));
                    0
                }
            },
        }
    }

    /// The first question that a script left open since it was set, with its number of ways.
    pub const fn unanswered(&self) -> Option<(&'static str, u32)> {
        match self {
            Choices::Script { unanswered, .. } => *unanswered,
            Choices::Seed(_) | Choices::Noted { .. } | Choices::Bytes { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_frozen() {
        // Recorded seeds must keep their meaning: these values never change.
        let mut stream = Stream::new(1, 2, 3);
        let drawn = [stream.draw(), stream.draw(), stream.below(1000), stream.between(5, 9)];
        assert_eq!(drawn, GOLDEN);
    }
    const GOLDEN: [u64; 4] = [5_566_224_767_488_984_011, 9_306_170_927_304_633_312, 406, 6];

    #[test]
    fn a_stream_depends_on_its_own_name_alone() {
        let mut a = Stream::new(7, 1, 4);
        let mut other = Stream::new(7, 1, 5);
        let mut b = Stream::new(7, 1, 4);
        other.draw();
        assert_eq!((a.draw(), a.draw()), (b.draw(), b.draw()));
        assert_ne!(Stream::new(7, 1, 4).draw(), Stream::new(7, 2, 4).draw());
        assert_ne!(Stream::new(7, 1, 4).draw(), Stream::new(8, 1, 4).draw());
    }

    #[test]
    fn draws_below_n_are_even_and_in_range() {
        let mut stream = Stream::new(1, 0, 0);
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[stream.below(7) as usize] += 1;
        }
        // Six standard deviations of a binomial with mean 10 000.
        assert!(seen.iter().all(|count| (9_440..10_560).contains(count)), "{seen:?}");
    }

    #[test]
    fn every_source_answers_within_the_ways() {
        fn check(seed: u64, bytes: Vec<u8>, ways: Vec<u8>) -> bool {
            let mut sources = [Choices::seed(Stream::new(seed, 0, 0)), Choices::bytes(bytes)];
            sources.iter_mut().all(|source| {
                ways.iter().all(|n| {
                    let n = u32::from(*n).max(1);
                    source.choose("any", n) < n
                })
            })
        }
        quickcheck::quickcheck(check as fn(u64, Vec<u8>, Vec<u8>) -> bool);
    }

    #[test]
    fn noted_answers_are_those_of_the_seed() {
        let (mut seed, mut noted) =
            (Choices::seed(Stream::new(3, 0, 0)), Choices::noted(Stream::new(3, 0, 0)));
        let drawn: Vec<_> = (2..50).map(|n| seed.choose("any", n)).collect();
        assert!((2..50).map(|n| noted.choose("any", n)).eq(drawn.iter().copied()));
        assert!(
            matches!(noted, Choices::Noted { answers, .. } if answers.iter().copied().eq(drawn.iter().copied().zip(2..)))
        );
    }

    #[test]
    fn all_answers_are_reached_by_extending_the_script() {
        // A step that asks twice: three ways, then two ways if the first answer was not 0.
        fn step(choices: &mut Choices) -> (u32, u32) {
            let first = choices.choose("first", 3);
            (first, if first == 0 { 9 } else { choices.choose("second", 2) })
        }
        let (mut open, mut outcomes) = (vec![vec![]], vec![]);
        while let Some(script) = open.pop() {
            let mut choices = Choices::script(script.clone());
            let outcome = step(&mut choices);
            match choices.unanswered() {
                None => outcomes.push(outcome),
                Some((_, ways)) => open.extend((0..ways).map(|answer| [&script[..], &[answer]].concat())),
            }
        }
        outcomes.sort_unstable();
        assert_eq!(outcomes, [(0, 9), (1, 0), (1, 1), (2, 0), (2, 1)]);
    }

    #[test]
    #[should_panic(expected = "answers 3 of 3 ways")]
    fn a_script_cannot_answer_outside_the_ways() {
        Choices::script(vec![3]).choose("label", 3);
    }
}
