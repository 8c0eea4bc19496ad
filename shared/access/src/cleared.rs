//! Values that a decision has cleared for a user.

use serde::{Serialize, Serializer};

use crate::decision::Place;
use crate::domain::Action;

/// A value without any part that its user may not have. Only this module makes one, and no store
/// reads one. So a function that takes a `Cleared<T>` never gets an uncleared value.
///
/// ```compile_fail
/// let forged = tally_access::Cleared(vec!["a salary"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleared<T>(T);

impl<T> Cleared<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value, to be taken apart.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Serialize> Serialize for Cleared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A value at a place, if the user may do this there.
pub fn clear<T>(value: T, place: &Place<'_>, action: Action) -> Option<Cleared<T>> {
    place.allows(action).then_some(Cleared(value))
}

/// The rows of which the user may do this at every place. `places` gives those of a row; a row
/// without a place is nowhere, so it is withheld.
pub fn clear_rows<'p, 'd: 'p, R, P>(
    rows: Vec<R>,
    action: Action,
    places: impl Fn(&R) -> P,
) -> Cleared<Vec<R>>
where
    P: IntoIterator<Item = &'p Place<'d>>,
{
    let is_cleared = |row: &R| {
        let mut places = places(row).into_iter().peekable();
        places.peek().is_some() && places.all(|place| place.allows(action))
    };
    Cleared(rows.into_iter().filter(is_cleared).collect())
}
