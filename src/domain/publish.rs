//! From what there is to what a channel is told.

use super::{QUANTITY_MAX, Quantity};

/// How a channel, or one listing of it, shows a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishRules {
    /// Units that are held back.
    pub buffer: i64,
    /// Of the rest, so many hundredths: 0 to 100.
    pub share_percent: i64,
    /// Never more than this.
    pub max_quantity: Option<i64>,
    /// Less than this is shown as 0.
    pub min_quantity: i64,
}

/// What each rule leaves, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishSteps {
    /// After units are held back.
    pub buffered: i64,
    /// After the share is taken.
    pub shared: i64,
    /// After too few are shown as 0.
    pub enough: i64,
    /// After the rules' own bound.
    pub bounded: i64,
    /// After the channel's bound: what is shown.
    pub published: Quantity,
}

impl PublishRules {
    /// The same with so many units more held back.
    #[must_use]
    pub const fn holding_back(self, units: i64) -> Self {
        Self { buffer: self.buffer.saturating_add(units), ..self }
    }

    /// What is shown of units that are available at the places a channel sells from; at
    /// most what the channel itself can hold.
    pub fn published(&self, available: i64, channel_max: i64) -> Quantity {
        self.steps(available, channel_max).published
    }

    /// The same, step by step.
    pub fn steps(&self, available: i64, channel_max: i64) -> PublishSteps {
        let buffered = available.saturating_sub(self.buffer).max(0);
        // A level holds a milliard units and a channel has a bounded number of them.
        let shared = i128::from(buffered) * i128::from(self.share_percent.clamp(0, 100)) / 100;
        let shared = i64::try_from(shared).unwrap_or(i64::MAX);
        let enough = if shared < self.min_quantity { 0 } else { shared };
        let bounded = enough.clamp(0, self.max_quantity.unwrap_or(i64::MAX).max(0));
        let shown = bounded.min(channel_max.max(0)).min(QUANTITY_MAX);
        let published = Quantity::new(shown).unwrap_or(Quantity::ZERO);
        PublishSteps { buffered, shared, enough, bounded, published }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: PublishRules =
        PublishRules { buffer: 0, share_percent: 100, max_quantity: None, min_quantity: 0 };

    #[test]
    fn a_number_is_buffered_shared_bounded_and_never_negative() {
        let shown = |rules: PublishRules, available| rules.published(available, 1_000).get();
        assert_eq!(shown(PLAIN, 7), 7);
        assert_eq!(shown(PLAIN, -3), 0);
        assert_eq!(shown(PLAIN, 5_000), 1_000, "the channel's own bound");
        assert_eq!(shown(PublishRules { buffer: 2, ..PLAIN }, 7), 5);
        assert_eq!(shown(PublishRules { buffer: 9, ..PLAIN }, 7), 0);
        let half = PublishRules { buffer: 2, share_percent: 50, ..PLAIN };
        assert_eq!(shown(half, 7), 2, "rounded down, after the buffer");
        assert_eq!(shown(PublishRules { min_quantity: 3, ..half }, 7), 0);
        assert_eq!(shown(PublishRules { min_quantity: 2, ..half }, 7), 2);
        assert_eq!(shown(PublishRules { max_quantity: Some(4), ..PLAIN }, 7), 4);
        assert_eq!(shown(PublishRules { max_quantity: Some(0), ..PLAIN }, 7), 0);
        let all = PublishRules { share_percent: 100, ..PLAIN };
        assert_eq!(all.published(i64::MAX, i64::MAX).get(), QUANTITY_MAX);
    }

    #[test]
    fn each_step_goes_on_from_the_one_before() {
        let rules =
            PublishRules { buffer: 2, share_percent: 50, max_quantity: Some(9), min_quantity: 3 };
        let steps = |available| {
            let steps = rules.steps(available, 8);
            let PublishSteps { buffered, shared, enough, bounded, published } = steps;
            [buffered, shared, enough, bounded, published.get()]
        };
        assert_eq!(steps(41), [39, 19, 19, 9, 8]);
        assert_eq!(steps(7), [5, 2, 0, 0, 0]);
        assert_eq!(steps(-4), [0, 0, 0, 0, 0]);
    }
}
