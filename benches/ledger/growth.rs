//! later
use crate::{arguments::*, report::*, shops::*};
pub(crate) async fn measure(_a: &Arguments, _b: &Bed, _r: &mut Report) -> anyhow::Result<()> {
    Ok(())
}
