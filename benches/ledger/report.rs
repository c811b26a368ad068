//! The one table, and what the machine was like.

use std::time::Instant;

use comfy_table::{CellAlignment, Table, presets};

use crate::arguments::Arguments;
use crate::drive::Sample;
use crate::machine;
use crate::shops::Bed;

/// Which figures are good.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// At least the floor; the aim is higher.
    AtLeast { floor: f64, aim: f64 },
    /// At most the floor; the aim is lower.
    AtMost { floor: f64, aim: f64 },
    /// Only reported.
    None,
}

impl Goal {
    fn bounds(self) -> (String, String) {
        match self {
            Self::AtLeast { floor, aim } => (format!(">= {floor}"), format!(">= {aim}")),
            Self::AtMost { floor, aim } => (format!("<= {floor}"), format!("<= {aim}")),
            Self::None => (String::new(), String::new()),
        }
    }

    const fn verdict(self, figure: f64) -> Verdict {
        match self {
            Self::AtLeast { floor, aim } => Verdict::of(figure >= floor, figure >= aim),
            Self::AtMost { floor, aim } => Verdict::of(figure <= floor, figure <= aim),
            Self::None => Verdict::Reported,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Aim,
    Floor,
    Missed,
    Reported,
}

impl Verdict {
    const fn of(floor: bool, aim: bool) -> Self {
        match (floor, aim) {
            (true, true) => Self::Aim,
            (true, false) => Self::Floor,
            (false, _) => Self::Missed,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Aim => "aim met",
            Self::Floor => "floor met",
            Self::Missed => "MISSED",
            Self::Reported => "reported",
        }
    }
}

/// One line of the table: a figure of ours, the one beside it, and their ratio.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) beside: String,
    pub(crate) figure: f64,
    /// What follows the figure: `x`, `s`, `MB`.
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
    pub(crate) detail: [String; 2],
}

impl Line {
    /// A ratio of two rates, with times and processor time of both.
    pub(crate) fn of_rates(what: String, ours: &Sample, beside: &Sample, goal: Goal) -> Self {
        Self {
            what,
            ours: rate(ours),
            beside: rate(beside),
            figure: ours.rate / beside.rate,
            unit: "x",
            goal,
            detail: [times(ours), times(beside)],
        }
    }
}

fn rate(sample: &Sample) -> String {
    format!("{:.0}/s", sample.rate)
}

fn times(sample: &Sample) -> String {
    format!("{:.1}/{:.0} ms {:.0} us", sample.p50_ms, sample.p99_ms, sample.cpu_us)
}

/// The report, while it grows.
#[derive(Debug)]
pub(crate) struct Report {
    head: String,
    begun: Instant,
    lines: Vec<Line>,
}

impl Report {
    /// Looks at the machine and the server.
    pub(crate) async fn begin(arguments: &Arguments, bed: &Bed) -> anyhow::Result<Self> {
        let head = format!(
            "cores {}; load average before {}; fdatasync of 4 KiB appends before {:.0}/s\n\
             PostgreSQL {}, fsync {}, synchronous_commit {}; SQLite WAL, synchronous FULL\n\
             an order: key + 3 lines, 2 % refused, 10 000 items; hot: line 1 is always one item\n\
             {} x {} s each variant, interleaved, medians; seed {}",
            machine::cores(),
            machine::load_average(),
            machine::sync_rate(bed.folder())?,
            bed.setting("server_version").await?,
            bed.setting("fsync").await?,
            bed.setting("synchronous_commit").await?,
            arguments.repetitions,
            arguments.seconds,
            arguments.seed,
        );
        Ok(Self { head, begun: Instant::now(), lines: Vec::new() })
    }

    /// Adds a line and says it, so that a long run can be watched.
    pub(crate) fn add(&mut self, line: Line) {
        let Line { what, ours, beside, figure, unit, .. } = &line;
        note(&format!("{what}: {ours} beside {beside}, {figure:.2} {unit}"));
        self.lines.push(line);
    }

    /// Prints the table; how many floors were missed.
    #[expect(clippy::print_stdout, reason = "the table is what the bench is for")]
    pub(crate) fn finish(&self, bed: &Bed) -> anyhow::Result<usize> {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "what",
            "ours",
            "beside it",
            "figure",
            "floor",
            "aim",
            "verdict",
            "ours: p50/p99, cpu per order",
            "beside it: p50/p99, cpu per order",
        ]);
        for line in &self.lines {
            let (floor, aim) = line.goal.bounds();
            let figure = format!("{:.2} {}", line.figure, line.unit);
            let verdict = line.goal.verdict(line.figure).name().to_owned();
            let [own, other] = line.detail.clone();
            let Line { what, ours, beside, .. } = line.clone();
            table.add_row([what, ours, beside, figure, floor, aim, verdict, own, other]);
        }
        for column in 1..6 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let missed = self.lines.iter().filter(|line| line.missed()).count();
        println!("{}\n{table}", self.head);
        println!(
            "load average after {}; fdatasync after {:.0}/s; took {:.0} s; floors missed: {missed}",
            machine::load_average(),
            machine::sync_rate(bed.folder())?,
            self.begun.elapsed().as_secs_f64(),
        );
        Ok(missed)
    }
}

impl Line {
    fn missed(&self) -> bool {
        self.goal.verdict(self.figure) == Verdict::Missed
    }
}

/// Says how far the bench is.
#[expect(clippy::print_stderr, reason = "progress of a long run")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}
