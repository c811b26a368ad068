//! Filling open shortfall with stock that came in or came free.

use super::{Added, Decided, Movement, Need, ShortWindow, Working, each};
use crate::domain::{Deltas, ItemId, Kind, LevelKey, LocationId, OrderId};

/// Lines filled in one go; the rest are the writer's next commands, and are
/// written down with what was filled: whoever comes after a crash goes on.
pub const FILL_LINES_MAX: i64 = 500;

/// The widest look at who is owed, in lines.
const WINDOW_LINES_MAX: i64 = 64_000;

struct Short {
    elsewhere: bool,
    age: (i64, OrderId, i64, i64),
    location: LocationId,
    units: i64,
}

/// Fills shortfall from what is unreserved at a level: oldest order first, at
/// its own location before elsewhere. Shortfall filled from here moves here.
pub fn fill(set: &mut Working, key: LevelKey) -> Decided<()> {
    if !can_fill(set, key)? {
        return Ok(());
    }
    let Some(window) = set.shorts.get(&(key.item, key.location)).copied() else {
        let shorts = std::iter::once((key.item, key.location, FILL_LINES_MAX)).collect();
        return Err(Need { shorts, ..Need::default() }.into());
    };
    let mut shorts = shorts(set, key, window);
    shorts.sort_unstable_by_key(|short| (short.elsewhere, short.age));
    let mut lines = 0;
    for short in shorts {
        let room = set.level(key)?.totals.unreserved();
        if room <= 0 {
            return Ok(());
        }
        if lines == FILL_LINES_MAX {
            break;
        }
        hold(set, key, &short, short.units.min(room))?;
        lines += 1;
    }
    let whole = window.here_age_max.min(window.elsewhere_age_max) == i64::MAX;
    if (lines == FILL_LINES_MAX || !whole) && can_fill(set, key)? {
        if lines > 0 {
            set.added.push(Added::FillRest(key, true));
        } else if window.lines < WINDOW_LINES_MAX {
            // Those that were loaded were filled earlier in this batch.
            let wider = window.lines.saturating_mul(2);
            let shorts = std::iter::once((key.item, key.location, wider)).collect();
            return Err(Need { shorts, ..Need::default() }.into());
        }
    }
    Ok(())
}

/// Goes on where an earlier transaction left something over, and remembers no
/// more of it than is left over again.
pub fn fill_rest(set: &mut Working, key: LevelKey) -> Decided<()> {
    set.added.push(Added::FillRest(key, false));
    fill(set, key)
}

/// Whether there is anything to fill, and anything to fill it with.
fn can_fill(set: &Working, key: LevelKey) -> Decided<bool> {
    let room = set.level(key)?.totals.unreserved();
    let short: i64 = set.levels_of(key.item).map(|(_, level)| level.totals.shortfall).sum();
    let own = set.level(key)?.totals.shortfall;
    let serves = set.location(key.location).is_some_and(crate::domain::Location::serves_orders);
    Ok(room > 0 && (own > 0 || short > 0 && serves))
}

/// The short lines that may be filled now. What is owed elsewhere waits until
/// all that is owed here is known to be there.
fn shorts(set: &Working, key: LevelKey, window: ShortWindow) -> Vec<Short> {
    let elsewhere_age_max =
        if window.here_age_max < i64::MAX { i64::MIN } else { window.elsewhere_age_max };
    let serves = set.location(key.location).is_some_and(crate::domain::Location::serves_orders);
    let mut shorts = Vec::new();
    for slot in set.orders.values() {
        let order = &slot.now;
        let may_move = serves && order.location.is_none_or(|own| own == key.location);
        for line in &order.lines {
            for part in line.parts.iter().filter(|part| part.item == Some(key.item)) {
                for allocation in part.allocations.iter().filter(|one| one.shortfall > 0) {
                    let elsewhere = allocation.location != key.location;
                    let age_max = if elsewhere { elsewhere_age_max } else { window.here_age_max };
                    if order.age <= age_max && (!elsewhere || may_move) {
                        shorts.push(Short {
                            elsewhere,
                            age: (order.age, order.id, line.number, part.number),
                            location: allocation.location,
                            units: allocation.shortfall,
                        });
                    }
                }
            }
        }
    }
    shorts
}

/// Turns owed units into held ones, moving them here where they were owed elsewhere.
fn hold(set: &mut Working, key: LevelKey, short: &Short, units: i64) -> Decided<()> {
    let (_, order, line, part) = short.age;
    for one in &mut set.order_mut(order)?.lines {
        if one.number != line {
            continue;
        }
        for one in one.parts.iter_mut().filter(|one| one.number == part) {
            one.at_mut(short.location).shortfall -= units;
            one.at_mut(key.location).held += units;
        }
    }
    if short.elsewhere {
        let owed = LevelKey { item: key.item, location: short.location };
        let release = Movement::new(owed, Kind::Release, Deltas::hold(0, -units));
        set.post(release.of(order, line, part))?;
        let reserve = Movement::new(key, Kind::Reserve, Deltas::hold(units, 0));
        set.post(reserve.of(order, line, part))
    } else {
        let reserve = Movement::new(key, Kind::Reserve, Deltas::hold(units, -units));
        set.post(reserve.of(order, line, part))
    }
}

/// Fills an item wherever it has room, in the order of the locations.
pub fn fill_item(set: &mut Working, item: ItemId) -> Decided<()> {
    let locations: Vec<LocationId> = set.locations.iter().map(|location| location.id).collect();
    let keys = locations.into_iter().map(|location| LevelKey { item, location });
    let keys: Vec<LevelKey> = keys.filter(|key| set.levels.contains_key(key)).collect();
    each(set, keys, fill)
}
