//! `export …`: files with the columns of the imports.

use std::io::{BufWriter, ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use invshop::import::{self, ImportError, Kind};
use invshop::shop::Shop;
use serde_json::json;

use crate::app::App;
use crate::failure::Failure;
use crate::import::watch;
use crate::output::Reply;

/// What to export, and where to.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// What
    #[arg(value_enum)]
    kind: KindArgument,
    /// Where to; standard output when left out
    file: Option<PathBuf>,
    /// Put a ' before cells that a spreadsheet would run as a formula; such a
    /// file does not import again as it was
    #[arg(long)]
    defuse: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindArgument {
    /// The catalogue
    Items,
    /// What is on hand, by item and location
    Stock,
    /// What channels sell, and which item each is
    Listings,
    /// Orders, a row a line
    Orders,
}

/// Writes one kind of rows.
async fn write(
    app: &App<'_>,
    shop: &Shop,
    (kind, defuse): (KindArgument, bool),
    out: impl std::io::Write,
    bar: &indicatif::ProgressBar,
) -> Result<import::Exported, ImportError> {
    let watch = watch(app, bar);
    let kind = match kind {
        KindArgument::Items => Kind::Items,
        KindArgument::Stock => Kind::Stock,
        KindArgument::Orders => Kind::Orders,
        KindArgument::Listings => return import::export_listings(shop, out, defuse, &watch).await,
    };
    import::export(shop, kind, out, defuse, &watch).await
}

/// Writes the file: whole or not at all.
pub(crate) async fn run(app: &App<'_>, shop: &Shop, export: Export) -> Result<Reply, Failure> {
    let what = (export.kind, export.defuse);
    match export.file.filter(|file| file.as_os_str() != "-") {
        Some(file) => to_file(app, shop, what, &file).await,
        None if app.output.is_json() => {
            Err(Failure::usage("--json prints one JSON document, an export is CSV")
                .hint("name a FILE for the export"))
        }
        None => {
            let bar = app.output.progress(0, "exporting");
            // On a terminal the rows themselves show how far it is.
            let bar = if std::io::stdout().is_terminal() {
                indicatif::ProgressBar::hidden()
            } else {
                bar
            };
            let out = BufWriter::new(std::io::stdout());
            let exported = write(app, shop, what, out, &bar).await;
            bar.finish_and_clear();
            match exported {
                // `| head` has seen enough: that is no failure.
                Err(ImportError::Io { error, .. }) if error.kind() == ErrorKind::BrokenPipe => {}
                exported => drop(exported?),
            }
            Ok(Reply::one("", json!({})))
        }
    }
}

async fn to_file(
    app: &App<'_>,
    shop: &Shop,
    what: (KindArgument, bool),
    file: &Path,
) -> Result<Reply, Failure> {
    let name = file.display().to_string();
    let failed = |error: &std::io::Error| Failure::io(&name, error);
    if file.exists() {
        app.confirm(&format!("replace {name}")).await?;
    }
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut out = tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))
        .map_err(|error| failed(&error))?;
    let bar = app.output.progress(0, "exporting");
    let mut buffer = BufWriter::new(&mut out);
    let exported = write(app, shop, what, &mut buffer, &bar).await;
    bar.finish_and_clear();
    let exported = exported?;
    buffer.flush().map_err(|error| failed(&error))?;
    drop(buffer);
    out.as_file().sync_all().map_err(|error| failed(&error))?;
    out.persist(file).map_err(|error| failed(&error.error))?;
    let rows = exported.rows;
    Ok(Reply::one(format!("{rows} rows in {name}"), json!({ "file": name, "rows": rows })))
}
