//! Orders, and what belongs to them.

/// Whether an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Financial {
    /// The money is awaited.
    Pending,
    /// It is reserved.
    Authorized,
    /// It is there.
    Paid,
    /// Some of it was given back.
    PartiallyRefunded,
    /// All of it was given back.
    Refunded,
    /// It will never come.
    Voided,
}

impl Financial {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Authorized => "AUTHORIZED",
            Self::Paid => "PAID",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
            Self::Voided => "VOIDED",
        }
    }
}

/// What becomes of units that are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restock {
    /// They never left, and can be sold again.
    Cancel,
    /// They came back, and can be sold again.
    Return,
    /// They cannot be sold again.
    None,
}

impl Restock {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Cancel => "CANCEL",
            Self::Return => "RETURN",
            Self::None => "NO_RESTOCK",
        }
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, as people say it.
    pub number: i64,
    /// When it was placed, whole seconds.
    pub created: i64,
    /// When it last changed.
    pub updated: i64,
    /// When it was cancelled.
    pub cancelled: Option<i64>,
    /// Why, in the shop's own words.
    pub cancel_reason: Option<String>,
    /// What else was said of it, to those who work there only.
    pub staff_note: Option<String>,
    /// Whether it is paid.
    pub financial: Financial,
    /// Whether its lines were changed after it was placed.
    pub is_edited: bool,
    /// Its lines.
    pub lines: Vec<Line>,
    /// What is to leave, each from one location: the fulfilment orders.
    pub work: Vec<Work>,
    /// What has left: the fulfilments.
    pub parcels: Vec<Parcel>,
    /// What was taken back.
    pub refunds: Vec<Refund>,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub id: u64,
    /// What was bought.
    pub variant: u64,
    /// What that is counted as.
    pub item: u64,
    /// Its SKU when it was bought.
    pub sku: String,
    /// What it was called.
    pub title: String,
    /// Units that were ordered, those that were removed among them.
    pub quantity: i64,
    /// Units that are still ordered.
    pub current: i64,
    /// The price of one, in hundredths.
    pub price: i64,
}

/// What is to leave from one location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its id.
    pub id: u64,
    /// Where from.
    pub location: u64,
    /// Whether it may.
    pub readiness: Readiness,
    /// Of which lines.
    pub lines: Vec<WorkLine>,
}

/// Whether what is to leave may leave: a fulfilment order is `OPEN`, or `ON_HOLD`, or
/// `SCHEDULED` (schema of 2026-10, `FulfillmentOrderStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It may.
    Open,
    /// Not before it is released.
    OnHold,
    /// Not before this time, whole seconds; from then on by itself.
    Scheduled(i64),
}

/// What is to leave of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkLine {
    /// Its id.
    pub id: u64,
    /// The line of the order.
    pub line: u64,
    /// Units that were to leave.
    pub total: i64,
    /// Units that have not left.
    pub remaining: i64,
}

/// What has left together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its id.
    pub id: u64,
    /// When it left, whole seconds.
    pub created: i64,
    /// Where from.
    pub location: u64,
    /// Whether it was taken back before it was on its way.
    pub is_cancelled: bool,
    /// Who carries it, where that was said.
    pub company: Option<String>,
    /// By which number, where that was said.
    pub number: Option<String>,
    /// What is in it.
    pub lines: Vec<ParcelLine>,
}

/// What has left of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParcelLine {
    /// Its id.
    pub id: u64,
    /// The line of the order.
    pub line: u64,
    /// Units.
    pub units: i64,
}

/// What was taken back together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: u64,
    /// When, whole seconds.
    pub created: i64,
    /// Of which lines.
    pub lines: Vec<RefundLine>,
}

/// What was taken back of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundLine {
    /// Its id.
    pub id: u64,
    /// The line of the order.
    pub line: u64,
    /// Units.
    pub units: i64,
    /// What became of them.
    pub restock: Restock,
    /// Where they were put, where they were.
    pub location: Option<u64>,
}

impl Work {
    /// Units that have not left, and are to.
    pub fn remaining(&self) -> i64 {
        self.lines.iter().map(|line| line.remaining).sum()
    }

    /// Units that were to leave.
    pub(super) fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.total).sum()
    }

    /// Whether a time has come at which it may leave, if it is not done already.
    pub(super) const fn is_ready(&self, now: i64) -> bool {
        match self.readiness {
            Readiness::Open => true,
            Readiness::OnHold => false,
            Readiness::Scheduled(at) => at <= now,
        }
    }
}

impl Order {
    /// Units of a line that have not left, and are to.
    pub fn unfulfilled(&self, line: u64) -> i64 {
        let lines = self.work.iter().flat_map(|work| &work.lines);
        lines.filter(|one| one.line == line).map(|one| one.remaining).sum()
    }

    /// What a line is about.
    pub fn line(&self, id: u64) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    /// Whether something has left.
    pub(super) fn has_left(&self) -> bool {
        self.parcels.iter().any(|parcel| !parcel.is_cancelled)
    }

    /// Whether something is still to leave.
    pub(super) fn has_to_leave(&self) -> bool {
        self.work.iter().any(|work| work.remaining() > 0)
    }

    /// Where a line is to leave from: the first place, where there is more than one.
    pub(super) fn place_of(&self, line: u64) -> Option<u64> {
        let is_there = |work: &Work| work.lines.iter().any(|one| one.line == line && one.total > 0);
        let was_there = |work: &Work| work.lines.iter().any(|one| one.line == line);
        let is = self.work.iter().find(|work| is_there(work));
        Some(is.or_else(|| self.work.iter().find(|work| was_there(work)))?.location)
    }

    /// Where units of a line came from that have left: those that left first.
    pub(super) fn left_from(&self, line: u64) -> Option<u64> {
        let has_it = |parcel: &&Parcel| parcel.lines.iter().any(|one| one.line == line);
        let mut parcels = self.parcels.iter().filter(|parcel| !parcel.is_cancelled);
        Some(parcels.find(has_it)?.location)
    }
}
