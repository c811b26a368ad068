//! The first pass: every row is read and judged, nothing is written.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::check::{Checker, Known, Line, Read, Touch, parse};
use super::finding::{Finding, Findings, quoted};
use super::options::{Job, Kind};
use super::orders::{Group, reference};
use super::repeats::{Keys, look_again};
use super::table::{Row, Source};
use super::{CHUNK, ImportError, Progress, Watch, go_on, items, mangled};
use crate::domain::OrderRef;
use crate::ledger::stock::ImportMode;
use crate::shop::Shop;

/// Warnings about single SKUs; the rest are only counted.
const WARNINGS_MAX: usize = 100;

/// What a file would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Items that are new.
    pub new_items: u64,
    /// Items of which something changes, components aside.
    pub updated_items: u64,
    /// Levels that get a number.
    pub levels: u64,
    /// Opening stock that is ignored, because the level has moved before.
    pub opening_ignored: u64,
    /// Orders.
    pub orders: u64,
}

/// What became of looking at a file.
#[derive(Debug)]
pub struct Plan {
    /// What was asked for.
    pub job: Job,
    /// Rows of the file.
    pub rows: u64,
    /// Rows that are bad, and those of orders that have a bad row.
    pub bad_rows: u64,
    /// What is wrong with them.
    pub findings: Findings,
    /// What is only strange.
    pub warnings: Vec<String>,
    /// Warnings beyond those.
    pub more_warnings: u64,
    /// What the good rows would do.
    pub figures: Figures,
    /// Hash of the file and of the options that change its meaning.
    pub content_hash: [u8; 32],
    /// Whether bundles are written after the other rows.
    pub(super) has_bundles: bool,
    /// Numbers of the bad rows, ascending.
    pub(super) bad: Vec<u32>,
}

/// Looks at a whole file and writes nothing.
pub async fn plan(
    shop: &Shop,
    source: &Source,
    job: &Job,
    watch: Watch<'_>,
) -> Result<Plan, ImportError> {
    let checker = Checker::new(shop, job).await?;
    let table = source.table(job.kind.columns())?;
    let mut pass = Pass::new(shop, job, &checker, source.bytes());
    if !table.unknown().is_empty() {
        pass.warn(format!("columns that mean nothing here: {}", table.unknown().join(", ")));
    }
    let (mut table, mut rows) = table.rows(CHUNK).await?;
    while !rows.is_empty() {
        let delivered = table.delivered();
        // The next rows are read while these are looked up and judged.
        let (next, taken) = tokio::join!(table.rows(CHUNK), pass.take(&rows));
        taken?;
        (table, rows) = next?;
        go_on(watch, Progress::Checking(delivered, source.bytes()), None)?;
    }
    pass.end_group();
    let content_hash = content_hash(table.hash(), job);
    drop(table);
    look_again(source, &mut pass, watch).await?;
    Ok(pass.finish(content_hash))
}

fn content_hash(file: Sha256, job: &Job) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(file.finalize());
    hash.update(job.meaning().to_string());
    hash.finalize().into()
}

/// The state of the first pass: what grows with the file are one number a row
/// that may be repeated and one a bad row.
pub(super) struct Pass<'p> {
    pub(super) job: &'p Job,
    pub(super) checker: &'p Checker<'p>,
    pub(super) keys: Keys,
    pub(super) findings: Findings,
    bad: Vec<u32>,
    warnings: Vec<String>,
    more_warnings: u64,
    figures: Figures,
    rows: u64,
    bundles: u64,
    group: Option<(Group, u32, bool)>,
}

impl<'p> Pass<'p> {
    /// For a file of so many bytes.
    fn new(shop: &Shop, job: &'p Job, checker: &'p Checker<'p>, bytes: u64) -> Self {
        Self {
            job,
            checker,
            keys: Keys::new(shop.random.as_ref(), bytes),
            findings: Findings::default(),
            bad: Vec::new(),
            warnings: Vec::new(),
            more_warnings: 0,
            figures: Figures::default(),
            rows: 0,
            bundles: 0,
            group: None,
        }
    }

    /// Whether bundles name parts that must be looked for.
    pub(super) fn has_bundles(&self) -> bool {
        self.bundles > 0
    }

    fn warn(&mut self, warning: String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(warning);
        } else {
            self.more_warnings += 1;
        }
    }

    /// Counts a row as bad.
    pub(super) fn mark_bad(&mut self, number: u32) {
        self.bad.push(number);
    }

    async fn take(&mut self, rows: &[Row]) -> Result<(), ImportError> {
        let mut wrong = Vec::new();
        let lines: Vec<Option<Line>> =
            rows.iter().map(|row| parse(self.job, row, &mut wrong)).collect();
        let (found, missing): (Vec<_>, Vec<_>) =
            rows.iter().zip(lines).partition(|(_, line)| line.is_some());
        for (row, _) in &missing {
            self.bad.push(row.number);
        }
        for finding in wrong {
            self.findings.add(finding);
        }
        let unread: BTreeSet<u32> = missing.iter().map(|(row, _)| row.number).collect();
        let lines: Vec<Line> = found.into_iter().filter_map(|(_, line)| line).collect();
        let known = self.checker.look(&lines).await?;
        let mut good = lines.iter().peekable();
        for row in rows {
            self.rows += 1;
            self.bundles += u64::from(self.job.kind == Kind::Items && items::is_bundle(row));
            if unread.contains(&row.number) {
                self.bad_in_group(row);
            } else if let Some(line) = good.next() {
                self.take_line(line, &known);
            }
        }
        Ok(())
    }

    fn take_line(&mut self, line: &Line, known: &Known) {
        match self.checker.judge(line, known) {
            Err(finding) => {
                self.findings.add(finding);
                self.bad.push(line.number);
                self.group_line(line, true);
            }
            Ok(effect) => {
                self.figures.new_items += u64::from(effect.item == Touch::New);
                self.figures.updated_items += u64::from(effect.item == Touch::Changed);
                self.figures.levels += u64::from(effect.level);
                self.figures.opening_ignored += u64::from(effect.opening_ignored);
                self.warn_of(line, known);
                self.group_line(line, false);
                if let Some(key) = self.keys.of(line, known, self.checker) {
                    let bundle =
                        matches!(&line.read, Read::Item(item) if item.row.components.is_some());
                    self.keys.push(key, bundle);
                }
            }
        }
    }

    fn warn_of(&mut self, line: &Line, known: &Known) {
        match &line.read {
            Read::Item(item) => {
                let sku = item.sku.as_str();
                if let Some(instead) = known.instead.get(&item.sku) {
                    self.warn(format!(
                        "line {}, column sku: {} is new, and the shop has {}: did a spreadsheet change it?",
                        line.begins,
                        quoted(sku),
                        quoted(instead.as_str()),
                    ));
                } else if mangled::is_scientific(sku) {
                    self.warn(format!(
                        "line {}, column sku: {} looks like a number that a spreadsheet shortened",
                        line.begins,
                        quoted(sku),
                    ));
                }
            }
            Read::Stock(row) if self.adds() && row.quantity.get() == 0 => {
                self.warn(format!("line {}, column quantity: 0 adds nothing", line.begins));
            }
            Read::Stock(_) | Read::Order(_) => {}
        }
    }

    fn adds(&self) -> bool {
        self.job.kind == Kind::Stock && self.job.stock.mode == ImportMode::Add
    }

    /// Puts a line to the order it belongs to.
    fn group_line(&mut self, line: &Line, bad: bool) {
        let Read::Order(order) = &line.read else {
            return;
        };
        if !self.is_of_group(&order.reference) {
            self.end_group();
            self.figures.orders += 1;
            self.group = Some((Group::new(line.number, order), line.number, false));
            self.keys.push_text(&order.reference.to_string());
        }
        let Some((group, last, group_bad)) = self.group.as_mut() else {
            return;
        };
        *last = line.number;
        *group_bad |= bad;
        if let Err((column, message)) = group.add(order) {
            *group_bad = true;
            self.findings.add(Finding::at(line.begins, column, message));
        }
    }

    fn is_of_group(&self, reference: &OrderRef) -> bool {
        self.group.as_ref().is_some_and(|(group, ..)| group.reference == *reference)
    }

    /// A row that cannot be read spoils the order it belongs to: never half an order.
    fn bad_in_group(&mut self, row: &Row) {
        if self.job.kind != Kind::Orders {
            return;
        }
        let Some(reference) = reference(row) else {
            return;
        };
        if !self.is_of_group(&reference) {
            self.end_group();
            self.keys.push_text(&reference.to_string());
            self.group = Some((Group::of(row.number, reference), row.number, true));
            self.figures.orders += 1;
        }
        if let Some((_, last, bad)) = self.group.as_mut() {
            (*last, *bad) = (row.number, true);
        }
    }

    fn end_group(&mut self) {
        if let Some((group, last, true)) = self.group.take() {
            self.figures.orders -= 1;
            self.bad.extend(group.first_row..=last);
        }
    }

    fn finish(mut self, content_hash: [u8; 32]) -> Plan {
        self.bad.sort_unstable();
        self.bad.dedup();
        self.findings.sort();
        Plan {
            job: self.job.clone(),
            rows: self.rows,
            bad_rows: self.bad.len() as u64,
            findings: self.findings,
            warnings: self.warnings,
            more_warnings: self.more_warnings,
            figures: self.figures,
            content_hash,
            has_bundles: self.bundles > 0,
            bad: self.bad,
        }
    }
}
