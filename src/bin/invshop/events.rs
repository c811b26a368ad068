//! `events`: what happens, one JSON document a line.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use invshop::events::{
    Audience, Bounds, Feed, Frame, OpenError, Opening, Room, Selection, Step, Stream, Transport,
    Types,
};
use invshop::shop::{self, Shop};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::failure::Failure;
use crate::output::Reply;

/// Events that are read together where nobody waits for more.
const PAGE_MAX: usize = 500;
/// How often it is looked whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print the events of the journal, one JSON document a line
    Tail(Tail),
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Go on after this event [default: 0, the beginning; with --follow now]
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    /// Only these types, as order.placed,stock.*
    #[arg(long, value_name = "TYPES")]
    types: Option<String>,
    /// Wait for more, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

/// Prints what happened, and with `--follow` what happens.
pub(crate) async fn run(app: &App<'_>, verb: Verb) -> Result<Reply, Failure> {
    let Verb::Tail(tail) = verb;
    let shop = Arc::new(Shop::open(shop::Opening::of(app.config()?)).await?);
    let result = print(app, &shop, &tail).await;
    if let Some(shop) = Arc::into_inner(shop) {
        shop.close().await;
    }
    result.map(|()| Reply::said())
}

async fn print(app: &App<'_>, shop: &Arc<Shop>, tail: &Tail) -> Result<(), Failure> {
    let mut selection = Selection::all(Audience::Staff);
    if let Some(types) = &tail.types {
        let types = Types::parse(types);
        selection.types = types.map_err(|error| Failure::usage(error.to_string()))?;
    }
    let after = tail.after.or((!tail.follow).then_some(0));
    let bounds = Bounds { heartbeat: LOOK, ..Bounds::default() };
    let feed = Arc::new(Feed::new(Arc::clone(shop), bounds));
    let room = if tail.follow { Room::Listening } else { Room::Page };
    let transport = Transport::Page;
    let opening = Opening { account: shop.account, transport, room, selection, after };
    let mut stream = feed.open(opening).await.map_err(|error| match error {
        OpenError::Store(error) => error.into(),
        other => Failure::refused("cursor_ahead", other.to_string()),
    })?;
    if !tail.follow {
        return read(app, &mut stream).await;
    }
    let printed = tokio::select! {
        () = feed.run(CancellationToken::new()) => Ok(()),
        printed = follow(app, &mut stream) => printed,
    };
    printed.map_err(|error| Failure::io("stdout", &error))
}

/// All there is.
async fn read(app: &App<'_>, stream: &mut Stream) -> Result<(), Failure> {
    loop {
        let before = stream.told();
        let page = stream.page(PAGE_MAX).await?;
        for event in &page.events {
            if !line(app, event).map_err(|error| Failure::io("stdout", &error))? {
                return Ok(());
            }
        }
        if page.next == before || app.is_interrupted() {
            return Ok(());
        }
    }
}

/// Whatever comes, until Ctrl-C is pressed or nobody reads it any more.
async fn follow(app: &App<'_>, stream: &mut Stream) -> io::Result<()> {
    while !app.is_interrupted() {
        match stream.next().await {
            Step::Event(event) => {
                if !line(app, &event)? {
                    return Ok(());
                }
            }
            Step::Position(_) => {}
            // Whoever may open the database may hear of all of it.
            Step::Check => stream.checked(),
            Step::Closing => return Ok(()),
        }
    }
    Ok(())
}

/// Prints an event; whether somebody reads on.
fn line(app: &App<'_>, event: &Frame) -> io::Result<bool> {
    app.output.line(&event.json())
}
