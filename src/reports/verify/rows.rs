//! Rows that belong to nothing, and what no constraint can say.

use super::{Desk, FINDINGS_MAX, FindingKind, Spot};
use crate::store::StoreError;
use crate::store::audit_rows::{self, Stray};

pub(super) async fn prove(desk: &mut Desk<'_>) -> Result<(), StoreError> {
    let limit = i64::try_from(FINDINGS_MAX).unwrap_or(i64::MAX);
    let allocations = audit_rows::allocations(&mut desk.conn, limit).await?;
    report(desk, FindingKind::AllocationStray, allocations).await?;
    let names = audit_rows::names(&mut desk.conn, limit).await?;
    report(desk, FindingKind::ItemName, names).await?;
    let bundles = audit_rows::bundles(&mut desk.conn, limit).await?;
    report(desk, FindingKind::Bundle, bundles).await?;
    let batches = audit_rows::batches(&mut desk.conn, limit).await?;
    report(desk, FindingKind::Batch, batches).await?;
    let people = audit_rows::people(&mut desk.conn, limit).await?;
    report(desk, FindingKind::Erasure, people).await
}

async fn report(
    desk: &mut Desk<'_>,
    kind: FindingKind,
    strays: Vec<Stray>,
) -> Result<(), StoreError> {
    let named = u64::try_from(strays.len()).unwrap_or(u64::MAX);
    let all = strays.first().map_or(0, |stray| u64::try_from(stray.count).unwrap_or(0));
    for stray in strays {
        let Stray { item, location, order, line, detail, .. } = stray;
        desk.found(kind, Spot { item, location, order, line, seq: None }, detail).await?;
    }
    desk.verified.findings_total += all.saturating_sub(named);
    Ok(())
}
