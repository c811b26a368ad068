//! Which location serves which line: a pure function of demand, room and policy.
//!
//! One location that serves the whole order is best, else whole lines, else a
//! split; among equals the order of the locations given decides (priority,
//! then code). What cannot be placed is reported, never invented.

use std::collections::HashMap;

use super::{ItemId, LevelKey, LocationId};

/// Units of one item that a part of a line wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The item.
    pub item: ItemId,
    /// How many.
    pub units: i64,
}

/// The demands of one line, one per part, in the order of its parts.
pub type DemandLine = Vec<Demand>;

/// Whether an order may be served from more than one location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocationPolicy {
    /// From as many as it takes.
    Split,
    /// From one, or not at all.
    OneLocation,
}

/// Units of one part held at one location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Index of the line.
    pub line: usize,
    /// Index of the part in the line.
    pub part: usize,
    /// Where.
    pub location: LocationId,
    /// How many, at least 1.
    pub units: i64,
}

/// Units that may be taken, per level. Levels not in it have none.
pub type Room = HashMap<LevelKey, i64>;

/// Places as much of the demand as fits; what is missing is demand less the placements.
pub fn allocate(
    lines: &[DemandLine],
    locations: &[LocationId],
    mut room: Room,
    policy: AllocationPolicy,
) -> Vec<Placement> {
    let mut desk = Desk { lines, room: &mut room, placed: Vec::new() };
    let all: Vec<usize> = (0..lines.len()).collect();
    if let Some(&location) = locations.iter().find(|&&location| desk.serves(&all, location)) {
        for &line in &all {
            desk.take_line(line, location);
        }
        return desk.placed;
    }
    match policy {
        AllocationPolicy::OneLocation => desk.fill_from_best(locations),
        AllocationPolicy::Split => desk.fill_from_all(locations),
    }
    desk.placed
}

struct Desk<'a> {
    lines: &'a [DemandLine],
    room: &'a mut Room,
    placed: Vec<Placement>,
}

impl Desk<'_> {
    /// Whether one location has room for all of the lines, demand summed per item (R3).
    fn serves(&self, lines: &[usize], location: LocationId) -> bool {
        let mut wanted: HashMap<ItemId, i64> = HashMap::new();
        for demand in lines.iter().flat_map(|&line| &self.lines[line]) {
            *wanted.entry(demand.item).or_default() += demand.units;
        }
        wanted.into_iter().all(|(item, units)| self.room_at(item, location) >= units)
    }

    fn room_at(&self, item: ItemId, location: LocationId) -> i64 {
        self.room.get(&LevelKey { item, location }).copied().unwrap_or(0).max(0)
    }

    fn take_line(&mut self, line: usize, location: LocationId) {
        for part in 0..self.lines[line].len() {
            self.take(line, part, location);
        }
    }

    /// Takes what the part still wants at the location, as far as there is room.
    fn take(&mut self, line: usize, part: usize, location: LocationId) {
        let demand = self.lines[line][part];
        let had: i64 = self
            .placed
            .iter()
            .filter(|placement| placement.line == line && placement.part == part)
            .map(|placement| placement.units)
            .sum();
        let units = (demand.units - had).min(self.room_at(demand.item, location));
        if units > 0 {
            *self.room.entry(LevelKey { item: demand.item, location }).or_default() -= units;
            self.placed.push(Placement { line, part, location, units });
        }
    }

    /// Whole lines where one location serves them, then whatever is left anywhere.
    fn fill_from_all(&mut self, locations: &[LocationId]) {
        let mut left = Vec::new();
        for line in 0..self.lines.len() {
            let whole = locations.iter().find(|&&location| self.serves(&[line], location));
            match whole {
                Some(&location) => self.take_line(line, location),
                None => left.push(line),
            }
        }
        for line in left {
            for &location in locations {
                self.take_line(line, location);
            }
        }
    }

    /// All that the location which serves the most units has.
    fn fill_from_best(&mut self, locations: &[LocationId]) {
        let mut best: Option<(i64, LocationId)> = None;
        for &location in locations {
            let units = self.served_units(location);
            if best.is_none_or(|(most, _)| units > most) {
                best = Some((units, location));
            }
        }
        if let Some((_, location)) = best {
            (0..self.lines.len()).for_each(|line| self.take_line(line, location));
        }
    }

    fn served_units(&self, location: LocationId) -> i64 {
        let mut wanted: HashMap<ItemId, i64> = HashMap::new();
        for demand in self.lines.iter().flatten() {
            *wanted.entry(demand.item).or_default() += demand.units;
        }
        wanted.into_iter().map(|(item, units)| units.min(self.room_at(item, location))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: LocationId = LocationId::new(1);
    const STORE: LocationId = LocationId::new(2);

    fn room(levels: &[(i64, LocationId, i64)]) -> Room {
        let key = |item, location| LevelKey { item: ItemId::new(item), location };
        levels.iter().map(|&(item, location, units)| (key(item, location), units)).collect()
    }

    fn line(item: i64, units: i64) -> DemandLine {
        vec![Demand { item: ItemId::new(item), units }]
    }

    fn at(placed: &[Placement], location: LocationId) -> i64 {
        placed.iter().filter(|one| one.location == location).map(|one| one.units).sum()
    }

    #[test]
    fn one_location_that_serves_all_beats_the_first_that_serves_some() {
        let levels = room(&[(1, MAIN, 5), (1, STORE, 5), (2, STORE, 1)]);
        let lines = [line(1, 2), line(2, 1)];
        let placed = allocate(&lines, &[MAIN, STORE], levels, AllocationPolicy::Split);
        assert_eq!((at(&placed, MAIN), at(&placed, STORE)), (0, 3));
    }

    #[test]
    fn whole_lines_stay_together_before_a_line_is_split() {
        let levels = room(&[(1, MAIN, 3), (1, STORE, 2), (2, MAIN, 9)]);
        let lines = [line(1, 5), line(2, 9)];
        let placed = allocate(&lines, &[MAIN, STORE], levels, AllocationPolicy::Split);
        assert_eq!((at(&placed, MAIN), at(&placed, STORE)), (12, 2));
    }

    #[test]
    fn r3_two_lines_of_one_item_share_its_room() {
        let levels = room(&[(1, MAIN, 3)]);
        let lines = [line(1, 2), line(1, 2)];
        let placed = allocate(&lines, &[MAIN], levels, AllocationPolicy::Split);
        assert_eq!(at(&placed, MAIN), 3);
    }

    #[test]
    fn without_splitting_all_comes_from_the_best_location() {
        let levels = room(&[(1, MAIN, 2), (1, STORE, 3)]);
        let placed = allocate(&[line(1, 5)], &[MAIN, STORE], levels, AllocationPolicy::OneLocation);
        assert_eq!((at(&placed, MAIN), at(&placed, STORE)), (0, 3));
    }
}
