//! What the ledger can do, side by side with what plain SQL does.
//!
//! `scripts/with-postgres --fsync on cargo bench` prints one table. Every figure
//! of ours stands beside that of a plain program writing the same rows to the
//! same schema on the same machine in the same minutes: ratios travel between
//! machines, orders a second do not. Every database that was written is checked
//! afterwards, so a writer that is fast because it is wrong fails.

mod access;
mod arguments;
mod bare;
mod channels;
mod check;
mod drive;
mod events;
mod growth;
mod http;
mod idle;
mod import;
mod listings;
mod machine;
mod naive;
mod nodes;
mod orders;
mod pages;
mod plain;
mod reads;
mod report;
mod served;
mod shops;
mod stall;
mod wanted;

use std::process::ExitCode;

use anyhow::{Context as _, bail};

use arguments::{Arguments, Part, Role};
use report::Report;
use shops::Bed;

/// The allocator of the programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.role {
        Some(Role::Node(node)) => return nodes::child(node).await.map(|()| ExitCode::SUCCESS),
        Some(Role::Import(file)) => return import::child(file).await.map(|()| ExitCode::SUCCESS),
        Some(Role::Bare(shop)) => return bare::child(shop).await.map(|()| ExitCode::SUCCESS),
        Some(Role::Nothing) => return served::nothing().await.map(|()| ExitCode::SUCCESS),
        None => {}
    }
    let bed = Bed::new(&postgres_url()?)?;
    refuse_without_fsync(&bed).await?;
    let mut report = Report::begin(&arguments, &bed).await?;
    for part in arguments.parts() {
        match part {
            Part::Orders => orders::measure(&arguments, &bed, &mut report).await,
            Part::Nodes => nodes::measure(&arguments, &bed, &mut report).await,
            Part::Import => import::measure(&arguments, &bed, &mut report).await,
            Part::Stall => stall::measure(&arguments, &bed, &mut report).await,
            Part::Growth => growth::measure(&arguments, &bed, &mut report).await,
            Part::Http => http::measure(&arguments, &bed, &mut report).await,
            Part::Access => access::measure(&arguments, &bed, &mut report).await,
            Part::Reads => reads::measure(&arguments, &bed, &mut report).await,
            Part::Channels => channels::measure(&arguments, &bed, &mut report).await,
            Part::Listings => listings::measure(&arguments, &bed, &mut report).await,
            Part::Events => events::measure(&arguments, &bed, &mut report).await,
            Part::Idle => idle::measure(&arguments, &bed, &mut report).await,
        }
        .with_context(|| format!("the part {part:?} failed"))?;
    }
    let missed = report.finish(&bed)?;
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn postgres_url() -> anyhow::Result<String> {
    match std::env::var("INVSHOP_TEST_POSTGRES") {
        Ok(url) => Ok(url),
        Err(_) => bail!(
            "INVSHOP_TEST_POSTGRES is not set\n\
             hint: scripts/with-postgres --fsync on cargo bench"
        ),
    }
}

/// A server that does not wait for the disk would make every figure a lie.
async fn refuse_without_fsync(bed: &Bed) -> anyhow::Result<()> {
    let found = bed.setting("fsync").await?;
    if found != "on" {
        bail!(
            "PostgreSQL runs with fsync = {found}\n\
             hint: scripts/with-postgres --fsync on cargo bench"
        );
    }
    Ok(())
}
