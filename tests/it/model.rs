//! The model test: seeded random histories against the database and against the
//! independent auditor, with repeats, clashes, commands at once, crashes between
//! any two steps and lost replies. After every step both must say the same.
//!
//! `INVSHOP_MODEL_SEED=N` runs the one history of a failure again,
//! `INVSHOP_MODEL_HISTORIES=N` another number of them.

pub(crate) mod act;
mod scribe;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use invshop::clock::{Clock as _, Timestamp};
use invshop::domain::{Key, LocationCode, LocationKind, Quantity, Sku, Title};
use invshop::ledger::OrderPolicy;
use invshop::ledger::catalogue::{ItemRow, NewLocation, Upsert};
use invshop::orders::PayOutcome;
use invshop::writer::{Answer, Command, Detail, Faults, Injected, Step, WriteError};

use crate::auditor::{Auditor, Outcome, Paid, Spot, Verdict, read_page};
use crate::gate::{Gate, at_once};
use crate::harness::{Backend, TestShop, has_postgres};
use crate::raw::Raw;
use act::{Act, PLACES};
use scribe::Scribe;

/// Histories per database unless `INVSHOP_MODEL_HISTORIES` says otherwise.
const HISTORIES: u64 = 300;
/// How long an unpaid hold lives.
const HOLD_MS: i64 = 900_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_agree_with_the_auditor_on_sqlite() {
    run(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_agree_with_the_auditor_on_postgres() {
    if has_postgres() {
        run(Backend::Postgres).await;
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

async fn run(backend: Backend) {
    let seeds = match number("INVSHOP_MODEL_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("INVSHOP_MODEL_HISTORIES").unwrap_or(HISTORIES),
    };
    let mut stage = Stage::new(backend).await;
    let mut tally = BTreeMap::new();
    for seed in seeds.clone() {
        History::begin(&mut stage, seed).await.play(&mut tally).await;
    }
    println!("{backend:?}: {} histories agreed; outcomes: {tally:?}", seeds.count());
    let mut shop = stage.shop;
    shop.opening.faults = None;
    shop.end().await;
}

/// What goes wrong next, once.
type Trap = Arc<Mutex<Option<(Step, Injected)>>>;

/// One database for many histories: creating a shop for each takes too long.
struct Stage {
    shop: TestShop,
    raw: Raw,
    trap: Trap,
    gate: Gate,
    seed: u64,
}

impl Stage {
    async fn new(backend: Backend) -> Self {
        let policy = OrderPolicy { split: true, hold_ms: HOLD_MS };
        let mut shop = TestShop::with_policy(backend, policy).await;
        // "main" has priority 10 and the id before all others; "yard" is preferred to it.
        let kinds = [LocationKind::Store, LocationKind::ThirdParty, LocationKind::Quarantine];
        for ((code, kind), priority) in PLACES[1..].iter().zip(kinds).zip([30, 5, 1]) {
            let new = NewLocation {
                code: LocationCode::new(code).unwrap(),
                name: Title::new(code).unwrap(),
                kind,
                sellable: Some(kind != LocationKind::Quarantine),
                authority: None,
                priority: Some(priority),
            };
            shop.run(Command::CreateLocation(new)).await.unwrap();
        }
        let (trap, gate) = (Trap::default(), Gate::default());
        shop.reopen(Some(faults(&trap, &gate))).await;
        let raw = Raw::open(&shop.opening.place).await;
        Self { shop, raw, trap, gate, seed: 0 }
    }

    async fn reopen(&mut self) {
        assert_eq!(self.shop.shop.counters.invariant_violations.get(), 0, "seed {}", self.seed);
        self.shop.reopen(Some(faults(&self.trap, &self.gate))).await;
    }
}

fn faults(trap: &Trap, gate: &Gate) -> Faults {
    let (trap, gate) = (Arc::clone(trap), gate.clone());
    Arc::new(move |step| {
        gate.pass(step);
        let mut trap = trap.lock().unwrap();
        match *trap {
            Some((at, injected)) if at == step => {
                *trap = None;
                injected
            }
            _ => Injected::Nothing,
        }
    })
}

fn spots() -> Vec<Spot> {
    let spot =
        |code, priority, sets_aside: bool| Spot { code, priority, sells: !sets_aside, sets_aside };
    vec![
        spot("main", 10, false),
        spot("shop", 30, false),
        spot("yard", 5, false),
        spot("pen", 1, true),
    ]
}

/// An act under its key.
#[derive(Clone, Debug)]
struct Sent {
    key: Option<String>,
    act: Act,
}

struct History<'s> {
    stage: &'s mut Stage,
    seed: u64,
    scribe: Scribe,
    books: Auditor,
    /// The newest item and order of the histories before.
    before: (i64, i64),
    sent: Vec<Sent>,
    log: Vec<String>,
}

type Reply = Result<Answer, WriteError>;

impl<'s> History<'s> {
    /// Three items and a bundle of two of them, by fresh names.
    async fn begin(stage: &'s mut Stage, seed: u64) -> Self {
        let mut scribe = Scribe::new(seed);
        let split = scribe.dice.chance(75);
        stage.seed = seed;
        if stage.shop.opening.orders.split != split {
            stage.shop.opening.orders.split = split;
            stage.reopen().await;
        }
        let now = stage.shop.clock.now().as_millis();
        let mut books = Auditor::new(now, HOLD_MS, split, spots());
        let item = stage.raw.number("select coalesce(max(id), 0) from item").await;
        let order = stage.raw.number("select coalesce(max(id), 0) from orders").await;
        for recipe in [vec![], vec![], vec![], vec![(0, 1), (1, 2)]] {
            let name = scribe.name("S");
            create_item(stage, &books, &name, &recipe).await;
            books.add_item(&name, recipe);
        }
        let (sent, log) = (Vec::new(), Vec::new());
        Self { stage, seed, scribe, books, before: (item, order), sent, log }
    }

    async fn play(mut self, tally: &mut BTreeMap<String, u64>) {
        for _ in 0..self.scribe.dice.range(15, 40) {
            self.pass_time();
            if self.scribe.dice.chance(20) {
                self.together(tally).await;
            } else {
                self.alone(tally).await;
            }
            self.compare().await;
        }
        self.finish(tally).await;
    }

    fn pass_time(&mut self) {
        if self.scribe.dice.chance(35) {
            let far = if self.scribe.dice.chance(20) { 1_000_000 } else { 60_000 };
            let step = self.scribe.dice.range(1, far);
            self.advance(step);
        }
    }

    fn advance(&mut self, millis: i64) {
        let now = Timestamp::from_millis(self.books.now + millis).unwrap();
        self.stage.shop.clock.set(now);
        self.books.now = now.as_millis();
        self.log.push(format!("the clock moves by {millis} ms"));
    }

    /// A new act under a new key or none, an earlier one again, or another one
    /// under a key that was used.
    fn next(&mut self, keyed: bool) -> Sent {
        let dice = &mut self.scribe.dice;
        let earlier: Vec<&Sent> = self.sent.iter().filter(|sent| sent.key.is_some()).collect();
        if !earlier.is_empty() && dice.chance(9) {
            return (*dice.pick(&earlier)).clone();
        }
        let used = if !earlier.is_empty() && dice.chance(3) {
            dice.pick(&earlier).key.clone()
        } else {
            None
        };
        let mut act = self.scribe.act(&self.books);
        self.scribe.date(&mut act, &self.books);
        let keyed = keyed || self.scribe.dice.chance(60);
        let key = used.or_else(|| keyed.then(|| self.scribe.name("K")));
        Sent { key, act }
    }

    /// One command; now and then the writer dies on it or the reply to its commit is lost.
    async fn alone(&mut self, tally: &mut BTreeMap<String, u64>) {
        let injected = match self.scribe.dice.below(40) {
            0..5 => Some((*self.scribe.dice.pick(&Step::ALL), Injected::Crash)),
            5 => Some((Step::Committing, Injected::LoseReply)),
            _ => None,
        };
        let sent = self.next(injected.is_some());
        self.log.push(format!("{sent:?} {injected:?}"));
        self.books.begin(&[&sent.act]);
        let verdict = self.books.apply(sent.key.as_deref(), &sent.act);
        *self.stage.trap.lock().unwrap() = injected;
        let first = submit(self.stage, &sent).await;
        let sprung = injected.is_some() && self.stage.trap.lock().unwrap().take().is_none();
        let count = |what: &str, tally: &mut BTreeMap<String, u64>| {
            *tally.entry(what.to_owned()).or_default() += 1;
        };
        let reply = if matches!(first, Err(WriteError::Unknown(_))) {
            assert!(sprung, "nothing made the writer die\n{}", self.story());
            count("crash", tally);
            self.stage.reopen().await;
            submit(self.stage, &sent).await
        } else {
            if sprung {
                count("lost reply", tally);
            }
            first
        };
        self.check(&sent, verdict, &reply, !sprung);
        count(&outcome(verdict), tally);
        self.sent.push(sent);
    }

    /// Several commands at once: their order of arrival is the order of decision.
    async fn together(&mut self, tally: &mut BTreeMap<String, u64>) {
        let due = |books: &Auditor| {
            books.orders.iter().any(|order| order.expires_at.is_some_and(|at| at <= books.now))
        };
        if due(&self.books) {
            // What expires depends on which commands share a transaction.
            let sweep = Sent { key: None, act: Act::ExpireDue };
            self.books.begin(&[&sweep.act]);
            self.log.push(format!("{sweep:?}"));
            submit(self.stage, &sweep).await.unwrap();
        }
        let crash = self.scribe.dice.chance(15);
        let count = self.scribe.dice.range(2, 8);
        let group: Vec<Sent> = (0..count).map(|_| self.next(crash)).collect();
        let step = Step::ALL[self.scribe.dice.below(Step::ALL.len() - 1)];
        self.log.push(format!("at once, crash {:?}: {group:?}", crash.then_some(step)));
        *self.stage.trap.lock().unwrap() = crash.then_some((step, Injected::Crash));
        let requests = group.iter().map(|sent| (sent.act.command(), key(sent))).collect();
        let mut replies = at_once(&self.stage.shop.shop, &self.stage.gate, requests).await;
        *self.stage.trap.lock().unwrap() = None;
        if replies.iter().any(|reply| matches!(reply, Err(WriteError::Unknown(_)))) {
            assert!(crash, "nothing made the writer die\n{}", self.story());
            *tally.entry("crash of many".to_owned()).or_default() += 1;
            self.stage.reopen().await;
            for (sent, reply) in group.iter().zip(&mut replies) {
                if matches!(reply, Err(WriteError::Unknown(_))) {
                    *reply = submit(self.stage, sent).await;
                }
            }
        }
        for (sent, reply) in group.into_iter().zip(&replies) {
            let verdict = self.books.apply(sent.key.as_deref(), &sent.act);
            self.check(&sent, verdict, reply, true);
            *tally.entry(outcome(verdict)).or_default() += 1;
            self.sent.push(sent);
        }
    }

    /// The answer must be the one predicted; what a replay is called is not
    /// asked after a fault.
    fn check(&self, sent: &Sent, verdict: Verdict, reply: &Reply, flags: bool) {
        let agreed = match (verdict, reply) {
            (Err(code), Err(WriteError::Refused(refusal))) => code == refusal.code(),
            (Ok(outcome), Ok(answer)) => {
                !flags || answer.replayed == (outcome == Outcome::Replayed)
            }
            _ => false,
        };
        assert!(
            agreed,
            "the auditor expects {verdict:?}, the ledger answers {reply:?} to {sent:?}\n{}",
            self.story()
        );
        if let Ok(Answer { detail: Detail::Payment(_, outcome), .. }) = reply {
            let paid = |id: &str| {
                self.books.find(id).is_some_and(|order| self.books.orders[order].paid == Paid::Yes)
            };
            let paid = sent.act.order().is_some_and(paid);
            let refused = *outcome == PayOutcome::RefundDue;
            assert!(paid || refused, "{outcome:?} of {sent:?}\n{}", self.story());
        }
    }

    async fn compare(&mut self) {
        let (item, order) = self.before;
        let found = read_page(&mut self.stage.raw, item, order).await;
        let expected = self.books.page();
        if found == expected {
            return;
        }
        let only = |of: &[String], not: &[String]| {
            of.iter()
                .filter(|line| !not.contains(line))
                .fold(String::new(), |text, line| text + "\n  " + line)
        };
        panic!(
            "the database and the auditor differ\nonly the database:{}\nonly the auditor:{}\n{}",
            only(&found, &expected),
            only(&expected, &found),
            self.story()
        );
    }

    fn story(&self) -> String {
        format!("INVSHOP_MODEL_SEED={}\n{}", self.seed, self.log.join("\n"))
    }

    /// Cancels what could run out later, so that the next history starts with
    /// nothing due; then the journal must add up.
    async fn finish(mut self, tally: &mut BTreeMap<String, u64>) {
        let sweep = Sent { key: None, act: Act::ExpireDue };
        self.books.begin(&[&sweep.act]);
        submit(self.stage, &sweep).await.unwrap();
        for index in 0..self.books.orders.len() {
            if self.books.orders[index].expires_at.is_some() {
                let order = self.books.orders[index].id.clone();
                let sent = Sent { key: None, act: Act::Cancel { order, lines: None } };
                self.log.push(format!("at the end: {sent:?}"));
                let verdict = self.books.apply(None, &sent.act);
                let reply = submit(self.stage, &sent).await;
                self.check(&sent, verdict, &reply, true);
            }
        }
        self.compare().await;
        let raw = &mut self.stage.raw;
        let gaps = raw.number("select max(seq) - count(*) + min(seq) - 1 from journal").await;
        let versions = "select cast(sum(version) as bigint) from level";
        let versions = raw.number(versions).await;
        let moves = "select count(*) from journal where level_version is not null";
        let moves = raw.number(moves).await;
        assert_eq!(
            (gaps, versions),
            (0, moves),
            "seq is dense, a version a movement\n{}",
            self.story()
        );
        *tally.entry("orders".to_owned()).or_default() +=
            u64::try_from(self.books.orders.len()).unwrap();
    }
}

fn outcome(verdict: Verdict) -> String {
    match verdict {
        Ok(outcome) => format!("{outcome:?}"),
        Err(code) => code.to_owned(),
    }
}

fn key(sent: &Sent) -> Option<Key> {
    sent.key.as_ref().map(|key| Key::new(key).unwrap())
}

async fn submit(stage: &Stage, sent: &Sent) -> Reply {
    stage.shop.shop.submit(sent.act.command(), key(sent)).await
}

async fn create_item(stage: &Stage, books: &Auditor, name: &str, recipe: &[(usize, i64)]) {
    let part = |&(item, units): &(usize, i64)| {
        let sku = Sku::new(&books.items[item].name).unwrap();
        (sku, Quantity::new(units).unwrap())
    };
    let components = (!recipe.is_empty()).then(|| recipe.iter().map(part).collect());
    let row = Box::new(ItemRow { components, ..ItemRow::default() });
    let sku = Sku::new(name).unwrap();
    stage.shop.run(Command::Item { sku, row, mode: Upsert::Create }).await.unwrap();
}
