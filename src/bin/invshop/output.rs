//! The only place that prints: data on stdout, everything else on stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use comfy_table::{CellAlignment, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use invshop::domain::Seq;
use invshop::reports::Page;
use invshop::writer::Answer;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};

/// What a command has to say.
#[derive(Debug)]
pub(crate) struct Reply {
    /// For people, and for `--format csv`.
    pub(crate) text: Text,
    /// For `--json`.
    pub(crate) document: Value,
    /// How the program ends once this is printed.
    pub(crate) exit: Exit,
}

impl Reply {
    /// One thing: some lines for people, one document for machines.
    pub(crate) fn one(text: impl Into<Text>, document: Value) -> Self {
        Self { text: text.into(), document, exit: Exit::Done }
    }

    /// A list: a table for people, `{"data": […]}` for machines.
    pub(crate) fn list(table: Table, data: &impl Serialize) -> Self {
        Self::one(table, json!({ "data": data }))
    }

    /// A part of a list, with where the next part starts.
    pub(crate) fn page<T: Serialize>(table: Table, page: &Page<T>) -> Self {
        Self::one(table, json!(page))
    }

    /// What was written: one line of what happened, and how it stands now.
    pub(crate) fn written(answer: &Answer, line: &str, after: Table, document: Value) -> Self {
        let line = if answer.replayed { format!("{line} (done before)") } else { line.to_owned() };
        let mut whole = json!({
            "seq": answer.seq.map(Seq::get),
            "entries": answer.entries,
            "replayed": answer.replayed,
        });
        if let (Value::Object(whole), Value::Object(more)) = (&mut whole, document) {
            whole.extend(more);
        }
        Self::one(Text::Both(line, after), whole)
    }

    /// What there was to say was said line by line.
    pub(crate) fn said() -> Self {
        Self::one(Text::Nothing, Value::Null)
    }

    /// With findings, the program ends with 1.
    #[must_use]
    pub(crate) fn with_findings(mut self, findings: bool) -> Self {
        self.exit = if findings { Exit::Refused } else { Exit::Done };
        self
    }
}

/// What is printed where no JSON is asked for.
#[derive(Debug)]
pub(crate) enum Text {
    /// Lines as they are, without the last line feed.
    Lines(String),
    /// A table.
    Table(Table),
    /// Lines before a table.
    Both(String, Table),
    /// Rows of a table as CSV, fields exactly as they are stored.
    Csv(Table),
    /// The JSON document, though `--json` was not given.
    Json,
    /// Bytes as they are: a script, an export.
    Raw(Vec<u8>),
    /// Nothing, with `--json` neither.
    Nothing,
}

impl From<String> for Text {
    fn from(lines: String) -> Self {
        Self::Lines(lines)
    }
}

impl From<&str> for Text {
    fn from(lines: &str) -> Self {
        Self::Lines(lines.to_owned())
    }
}

impl From<Table> for Text {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

/// Rows under names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    names: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Said instead of a table without rows.
    empty: &'static str,
}

impl Table {
    /// A table of columns; a name that begins with `#` is a number's, without the sign.
    pub(crate) fn new(names: &[&'static str], empty: &'static str) -> Self {
        Self { names: names.to_vec(), rows: Vec::new(), empty }
    }

    /// Adds a row; it has one cell for each name.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn title(name: &'static str) -> &'static str {
        name.strip_prefix('#').unwrap_or(name)
    }

    /// The table as text.
    pub(crate) fn render(&self) -> String {
        if self.rows.is_empty() {
            return self.empty.to_owned();
        }
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(self.names.iter().map(|name| Self::title(name).to_uppercase()));
        for row in &self.rows {
            table.add_row(row);
        }
        for (index, name) in self.names.iter().enumerate() {
            if let Some(column) = table.column_mut(index) {
                column.set_padding((0, 2));
                if name.starts_with('#') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.names.iter().map(|name| Self::title(name)))?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

/// How this process speaks.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// For people, or for machines.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether machines are spoken to.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Says something beside the data, once.
    pub(crate) fn warn(&self, message: &str) {
        if self.json {
            say(&json!({ "warning": message }).to_string());
        } else {
            say(&format!("warning: {message}"));
        }
    }

    /// Tells people what goes on; machines do not want to know.
    pub(crate) fn note(&self, message: &str) {
        if !self.json {
            say(message);
        }
    }

    /// A text that changes in place: only on a terminal and only for people.
    pub(crate) fn live(&self) -> Option<ProgressBar> {
        if self.json || !io::stderr().is_terminal() {
            return None;
        }
        let text = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        text.set_style(ProgressStyle::with_template("{msg}").ok()?);
        Some(text)
    }

    /// A bar for work of so many steps: only on a terminal and only for people.
    pub(crate) fn progress(&self, steps: u64, what: &'static str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.with_message(what)
    }

    /// Prints a line of data at once; whether somebody reads on.
    #[expect(clippy::unused_self, reason = "who prints has an output")]
    pub(crate) fn line(&self, bytes: &[u8]) -> io::Result<bool> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.write_all(b"\n"));
        match written.and_then(|()| stdout.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Prints what came of the command; the program ends with what is returned.
    pub(crate) fn finish(&self, result: Result<Reply, Failure>) -> ExitCode {
        let exit = match result {
            Ok(reply) => match self.print(&reply) {
                Ok(()) => reply.exit,
                Err(error) => self.fail(&Failure::io("stdout", &error)),
            },
            Err(failure) => self.fail(&failure),
        };
        ExitCode::from(exit as u8)
    }

    fn fail(&self, failure: &Failure) -> Exit {
        if self.json {
            say(&failure.document().to_string());
        } else {
            say(&format!("error: {}", failure.message));
            for hint in &failure.hints {
                say(&format!("hint: {hint}"));
            }
        }
        failure.exit
    }

    fn print(&self, reply: &Reply) -> io::Result<()> {
        let bytes = self.bytes(reply)?;
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        match written {
            // `| head` has seen enough: that is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    fn bytes(&self, reply: &Reply) -> io::Result<Vec<u8>> {
        let line = |text: String| {
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            (text + end).into_bytes()
        };
        if self.json && !matches!(reply.text, Text::Nothing) {
            return Ok(line(reply.document.to_string()));
        }
        Ok(match &reply.text {
            Text::Nothing => Vec::new(),
            Text::Lines(lines) => line(lines.clone()),
            Text::Table(table) => line(table.render()),
            Text::Both(lines, table) => line(format!("{lines}\n\n{}", table.render())),
            Text::Csv(table) => table.csv().map_err(io::Error::other)?,
            Text::Json => line(format!("{:#}", reply.document)),
            Text::Raw(bytes) => bytes.clone(),
        })
    }
}

/// What clap has to say: help goes to stdout, an error to stderr with exit 2.
/// The command line was not understood, so `--json` is looked for by hand.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let wants_json =
        std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if error.use_stderr() && wants_json {
        let text = error.render().to_string();
        let message = text.trim().strip_prefix("error: ").unwrap_or(text.trim()).to_owned();
        return Output::new(true).finish(Err(Failure::usage(message)));
    }
    // A closed stdout or stderr leaves nobody to be told.
    error.print().ok();
    let exit = if error.use_stderr() { Exit::Failed } else { Exit::Done };
    ExitCode::from(exit as u8)
}

fn say(line: &str) {
    // A closed stderr leaves nobody to be told.
    writeln!(io::stderr().lock(), "{line}").ok();
}
