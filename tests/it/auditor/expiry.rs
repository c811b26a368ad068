//! Holds that run out.

use super::Auditor;
use super::lines::Part;

impl Auditor {
    /// Orders that are due and open expire whole, oldest due first; those whose
    /// fulfilment was accepted are extended.
    pub(super) fn expire(&mut self, touches: impl Fn(&Part) -> bool) {
        let mut due = Vec::new();
        for (index, order) in self.orders.iter().enumerate() {
            let open = |part: &Part| part.counts().open() > 0 && touches(part);
            let touched = order.lines.values().flat_map(|line| line.parts.values()).any(open);
            if let Some(at) = order.expires_at.filter(|&at| at <= self.now && touched) {
                due.push((at, index));
            }
        }
        due.sort_unstable();
        for (_, order) in due {
            let found = &self.orders[order];
            if found.accepted
                || found
                    .lines
                    .values()
                    .flat_map(|line| line.parts.values())
                    .any(|part| part.counts().shipped > 0)
            {
                self.orders[order].expires_at = Some(self.now + self.hold_ms);
                continue;
            }
            self.expire_one(order);
        }
    }

    fn expire_one(&mut self, order: usize) {
        let mut moves = Vec::new();
        let found = &mut self.orders[order];
        found.expires_at = None;
        found.reason = Some("expired");
        for part in found.lines.values_mut().flat_map(|line| line.parts.values_mut()) {
            for (&at, stand) in &mut part.stands {
                let units = stand.held + stand.owed;
                if units > 0 {
                    moves.push(((part.item.unwrap(), at), stand.held, stand.owed));
                }
                part.cancelled += units;
                part.expired += units;
                stand.held = 0;
                stand.owed = 0;
            }
        }
        let freed = moves.iter().map(|&(key, _, _)| key).collect();
        for (key, held, owed) in moves {
            self.post(key, [0, -held, -owed, 0], None);
        }
        self.fill_all(freed);
    }
}
