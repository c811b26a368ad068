//! `doctor`: what may be wrong with this installation.

use serde_json::json;

use crate::app::App;
use crate::failure::Failure;
use crate::output::Reply;

/// Makes every check.
pub(crate) async fn run(app: &App<'_>) -> Result<Reply, Failure> {
    app.config()?;
    Ok(Reply::one("", json!({})))
}
