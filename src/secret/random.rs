//! The source of randomness that is passed in.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

/// The source of random bytes for keys, nonces and ids.
pub trait Random: Send + Sync + Debug {
    /// Overwrites all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator: the only one fit for keys and nonces.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    ///
    /// When the operating system gives no randomness: to go on with bytes that
    /// can be guessed would be worse than to stop.
    fn fill(&self, bytes: &mut [u8]) {
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
        let filled = getrandom::fill(bytes);
        if let Err(error) = filled {
            panic!("the operating system gives no random bytes: {error}");
        }
    }
}

/// The same bytes for the same seed: for tests and simulations, never for keys.
///
/// Splitmix64 (Steele, Lea, Flood 2014). Drawn from several threads, the words
/// are the same but who gets which is not.
#[derive(Debug)]
pub struct SeededRandom {
    state: AtomicU64,
}

impl SeededRandom {
    /// A generator that starts at the seed.
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// The next word; `fill` writes such words in little-endian order.
    pub fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let draw = |seed| {
            let mut bytes = [0; 37];
            SeededRandom::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_words_agree_with_the_reference_of_splitmix64() {
        let random = SeededRandom::new(1_234_567);
        let words = [(); 3].map(|()| random.next_u64());
        assert_eq!(
            words,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn the_system_fills_every_byte() {
        let mut seen = [false; 64];
        for _ in 0..64 {
            let mut bytes = [0; 64];
            SystemRandom.fill(&mut bytes);
            for (seen, byte) in seen.iter_mut().zip(bytes) {
                *seen |= byte != 0;
            }
        }
        assert_eq!(seen, [true; 64]);
    }
}
